import { fitBgNbd } from "./bg-nbd-fit.ts";
import { everyNthCustomer, totalOf } from "./fit-statistics.ts";
import type { GammaGammaParameters } from "./gamma-gamma.ts";
import { fitGammaGamma, type GammaGammaStatistics } from "./gamma-gamma-fit.ts";
import { CannotFit, type Fit } from "./maximum-likelihood.ts";
import { fitParetoNbd, MOST_HISTORIES } from "./pareto-nbd-fit.ts";
import type { PurchaseModel } from "./purchase-model.ts";
import type { PurchaseStatistics } from "./purchase-statistics.ts";

/** All history before the run date, or all history before the hold-out. */
export type Sample = "production" | "calibration";

/** A model of purchases and Gamma-Gamma, fitted on one sample. */
export interface FittedModel {
  readonly sample: Sample;
  readonly purchases: Fit<PurchaseModel>;
  /** Null: the expected value of a purchase is the mean of the customer's own purchases. */
  readonly gammaGamma: Fit<GammaGammaParameters> | null;
  /** Those that the model of purchases was fitted on. */
  readonly customers: number;
}

export interface FitResult {
  readonly family: Family;
  readonly production: FittedModel;
  /** What is evaluated on the hold-out, or a sentence on why there is none. */
  readonly calibration: FittedModel | string;
  /** Why Gamma-Gamma is not used, a sentence; null when it is used. */
  readonly valueReason: string | null;
}

/** What both models of a sample are fitted on. */
export interface SampleStatistics {
  readonly purchases: PurchaseStatistics;
  readonly values: GammaGammaStatistics;
}

/** How each built-in family is fitted. */
const FITS = {
  bgnbd: (statistics: PurchaseStatistics): Fit<PurchaseModel> => fitBgNbd(statistics, 1),
  mbgnbd: (statistics: PurchaseStatistics): Fit<PurchaseModel> => fitBgNbd(statistics, 0),
  paretonbd: fitParetoNbd,
};
export type Family = keyof typeof FITS;
export const FAMILIES = Object.keys(FITS) as Family[];

/** The model that a family makes of fitted parameters. */
export const modelOfFamily = (family: string, parameters: PurchaseModel): PurchaseModel =>
  family === "mbgnbd" ? { ...parameters, firstDropOut: 0 } : parameters;

/** Gamma-Gamma of each sample, or a sentence on why it is not used. */
export type ValueFits = Readonly<Record<Sample, Fit<GammaGammaParameters> | string>>;

export const fitValues = (statistics: Readonly<Record<Sample, SampleStatistics>>): ValueFits => ({
  production: orReason(() => fitValue(statistics.production.values, "production")),
  calibration: orReason(() => fitValue(statistics.calibration.values, "calibration")),
});

/**
 * Fits a family on all history and, where there is a hold-out, on the history before it. What is evaluated must be what
 * scores, so Gamma-Gamma is used only if it fits both samples.
 * @throws CannotFit when there is no model of purchases of all history.
 */
export function fitModel(
  family: Family,
  statistics: Readonly<Record<Sample, SampleStatistics>>,
  values: ValueFits,
  holdoutWeeks: number,
): FitResult {
  const usedOf = ({ purchases }: SampleStatistics): PurchaseStatistics =>
    family === "paretonbd" ? everyNthCustomer(purchases, MOST_HISTORIES) : purchases;
  const used = { production: usedOf(statistics.production), calibration: usedOf(statistics.calibration) };
  const fitPurchases = (sample: Sample) => FITS[family](used[sample]);
  const production = fitPurchases("production");
  const calibration =
    holdoutWeeks > 0
      ? orReason(() => fitPurchases("calibration"))
      : "The history is too short for a hold-out of a week.";
  const samples: Sample[] = typeof calibration === "string" ? ["production"] : ["production", "calibration"];
  const reasons = samples.map((sample) => values[sample]).filter((fit) => typeof fit === "string");
  const fitted = (sample: Sample, purchases: Fit<PurchaseModel>): FittedModel => {
    const gammaGamma = values[sample];
    return {
      sample,
      purchases,
      gammaGamma: reasons.length > 0 || typeof gammaGamma === "string" ? null : gammaGamma,
      customers: totalOf(used[sample].customers),
    };
  };
  return {
    family,
    production: fitted("production", production),
    calibration: typeof calibration === "string" ? calibration : fitted("calibration", calibration),
    valueReason: reasons[0] ?? null,
  };
}

/**
 * A warning for a q near 1, the limit where the mean value of all customers is infinite: by its standard error it can be 1, or the
 * mean is more than five times p gamma. Undefined for other models.
 */
export function nearLimit({ gammaGamma }: FittedModel): string | undefined {
  if (gammaGamma === null) return undefined;
  const { q } = gammaGamma.parameters;
  const error = gammaGamma.standardErrors.q;
  if (q - 1 >= Math.max(0.2, 2 * error)) return undefined;
  return `Gamma-Gamma's q is ${q.toPrecision(4)} (standard error ${error.toPrecision(2)}), near 1, where the mean value of all customers is infinite. The expected values of customers with few purchases are uncertain, and can be far too high. Compare them with the customers' own means.`;
}

/** With a larger p, purchases differ from their customer's mean by less than 1 % (p ** -0.5). */
const SAME_VALUE = 1e4;

/**
 * A Gamma-Gamma model that gives every customer a finite value.
 * @throws CannotFit when the fit did not converge, or the mean value of all customers is infinite (q <= 1).
 */
function fitValue(values: GammaGammaStatistics, sample: Sample): Fit<GammaGammaParameters> {
  const fit = fitGammaGamma(values);
  const which = sample === "production" ? "" : " on the history before the hold-out";
  const { p, q } = fit.parameters;
  if (!fit.converged && p > SAME_VALUE) {
    throw new CannotFit(
      `Gamma-Gamma has no variation to fit${which}: all purchases of a customer have almost the same value.`,
    );
  }
  if (!fit.converged) throw new CannotFit(`The fit of Gamma-Gamma${which} did not converge.`);
  if (q <= 1) {
    throw new CannotFit(
      `Gamma-Gamma's q${which} is ${q.toPrecision(4)}: customers differ so much that their mean value is infinite (q <= 1).`,
    );
  }
  return fit;
}

/** The result of the fit, or the reason why there is none. */
function orReason<T extends object>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof CannotFit) return error.message;
    throw error;
  }
}
