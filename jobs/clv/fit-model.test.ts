import assert from "node:assert/strict";
import { type SampleCustomer, simulateCustomers } from "../../test/cdnow.ts";
import { columnsOf } from "../../test/columns.ts";
import { fitBgNbd } from "./bg-nbd-fit.ts";
import {
  type Family,
  type FittedModel,
  fitModel,
  fitValues,
  modelOfFamily,
  nearLimit,
  type Sample,
  type SampleStatistics,
} from "./fit-model.ts";
import { totalOf } from "./fit-statistics.ts";
import { fitGammaGamma } from "./gamma-gamma-fit.ts";
import { CannotFit } from "./maximum-likelihood.ts";
import { fitParetoNbd, MOST_HISTORIES } from "./pareto-nbd-fit.ts";
import { seededRandom } from "./random.ts";

const simulate = (seed: number, q = 3.5): SampleCustomer[] =>
  simulateCustomers(
    { r: 0.6, alpha: 6, a: 0.8, b: 2.5 },
    { p: 4, q, gamma: 20 },
    300,
    40,
    0,
    seededRandom(seed),
  );

const purchasesOf = (list: readonly SampleCustomer[], customers = 1) =>
  columnsOf(
    ["x", "tX", "T", "customers"],
    list.map(({ x, tX, T }) => ({ x, tX, T, customers })),
  );
const valuesOf = (list: readonly SampleCustomer[], customers = 1) =>
  columnsOf(
    ["x", "meanValue", "customers"],
    list.filter(({ x }) => x > 0).map(({ x, meanValue }) => ({ x, meanValue, customers })),
  );
const statisticsOf = (list: readonly SampleCustomer[], customers = 1): SampleStatistics => ({
  purchases: purchasesOf(list, customers),
  values: valuesOf(list, customers),
});

const fitWith = (statistics: Readonly<Record<Sample, SampleStatistics>>, holdoutWeeks: number) =>
  fitModel("bgnbd", statistics, fitValues(statistics), holdoutWeeks);
const fitBoth = (production: SampleCustomer[], calibration: SampleCustomer[], holdoutWeeks = 20) =>
  fitWith({ production: statisticsOf(production), calibration: statisticsOf(calibration) }, holdoutWeeks);

describe("fitModel", () => {
  const all = simulate(1);
  const early = simulate(2).slice(0, 250);

  it("fits both models on both samples", () => {
    const { production, calibration, valueReason } = fitBoth(all, early);
    assert.deepEqual(production, {
      sample: "production",
      purchases: fitBgNbd(purchasesOf(all)),
      gammaGamma: fitGammaGamma(valuesOf(all)),
      customers: 300,
    });
    assert.deepEqual(calibration, {
      sample: "calibration",
      purchases: fitBgNbd(purchasesOf(early)),
      gammaGamma: fitGammaGamma(valuesOf(early)),
      customers: 250,
    });
    assert.equal(valueReason, null);
  });

  it("fits each family, and Pareto/NBD on a part of the customers of a large shop", () => {
    const statistics = { production: statisticsOf(all), calibration: statisticsOf(early) };
    const fitOf = (family: Family, given = statistics) =>
      fitModel(family, given, fitValues(given), 20).production;
    assert.deepEqual(fitOf("mbgnbd").purchases, fitBgNbd(purchasesOf(all), 0));
    assert.deepEqual(fitOf("paretonbd").purchases, fitParetoNbd(purchasesOf(all)));
    const copies = Math.ceil((2.5 * MOST_HISTORIES) / all.length);
    const many = Array.from({ length: copies }, (_, i) =>
      all.map((one) => ({ ...one, T: one.T + i / 1e4 })),
    ).flat();
    const large = { production: statisticsOf(many), calibration: statisticsOf(early) };
    const part = fitOf("paretonbd", large);
    assert.equal(part.customers, Math.floor(many.length / 3));
    assert.equal(fitOf("bgnbd", large).customers, totalOf(purchasesOf(many).customers));
  });

  it("counts the customers of a row", () => {
    const { production } = fitWith({ production: statisticsOf(all, 2), calibration: statisticsOf([]) }, 0);
    assert.equal(production.customers, 600);
  });

  it("says why there is nothing to evaluate", () => {
    assert.equal(fitBoth(all, early, 0).calibration, "The history is too short for a hold-out of a week.");
    assert.equal(fitBoth(all, []).calibration, "There are no customers to fit the purchase model on.");
    // Gamma-Gamma must then fit all history only.
    assert.equal(fitBoth(all, []).valueReason, null);
    assert.notEqual(fitBoth(all, []).production.gammaGamma, null);
  });

  it("throws if BG/NBD cannot be fitted on all history", () => {
    assert.throws(() => fitBoth([], early), CannotFit);
  });

  it("throws what is not about the data", () => {
    const broken = {
      ...statisticsOf(all),
      get values(): never {
        throw new TypeError("broken");
      },
    };
    assert.throws(() => fitWith({ production: broken, calibration: statisticsOf([]) }, 0), TypeError);
  });

  describe("does without Gamma-Gamma", () => {
    /** The reason; the models of purchases must be as ever. */
    function reasonOf(production: SampleCustomer[], calibration: SampleCustomer[]): string | null {
      const { production: one, calibration: other, valueReason } = fitBoth(production, calibration);
      assert.ok(typeof other !== "string");
      assert.deepEqual([one.gammaGamma, other.gammaGamma], [null, null]);
      assert.deepEqual(one.purchases, fitBgNbd(purchasesOf(production)));
      assert.deepEqual(other.purchases, fitBgNbd(purchasesOf(calibration)));
      return valueReason;
    }
    /** These customers once for each price, which all their purchases have. */
    const withPrices = (customers: SampleCustomer[], prices: number[]): SampleCustomer[] =>
      prices.flatMap((meanValue) => customers.map((customer) => ({ ...customer, meanValue })));

    it("if the mean of all customers is infinite in one sample", () => {
      const infinite = "customers differ so much that their mean value is infinite (q <= 1).";
      const heavyTail = simulate(1, 0.7);
      const q = fitGammaGamma(valuesOf(heavyTail)).parameters.q.toPrecision(4);
      assert.equal(reasonOf(heavyTail, early), `Gamma-Gamma's q is ${q}: ${infinite}`);
      assert.equal(
        reasonOf(all, heavyTail),
        `Gamma-Gamma's q on the history before the hold-out is ${q}: ${infinite}`,
      );
    });

    it("if every customer always pays the same", () => {
      const same = "all purchases of a customer have almost the same value.";
      const prices = [9.99, 19.99, 39.99];
      assert.equal(reasonOf(withPrices(all, prices), early), `Gamma-Gamma has no variation to fit: ${same}`);
      assert.equal(
        reasonOf(all, withPrices(early, prices)),
        `Gamma-Gamma has no variation to fit on the history before the hold-out: ${same}`,
      );
    });

    it("if there is one price", () => {
      assert.match(reasonOf(withPrices(all, [5]), early)!, /on 1 distinct/);
    });

    it("if the fit did not converge for another reason", () => {
      // Customers do not differ: q grows without end.
      const random = seededRandom(9);
      const alike = all.map((customer) => {
        const values = Array.from({ length: customer.x }, () => -Math.log(1 - random()));
        return { ...customer, meanValue: values.reduce((sum, value) => sum + value, 0) / customer.x };
      });
      assert.equal(reasonOf(alike, early), "The fit of Gamma-Gamma did not converge.");
    });
  });
});

describe("modelOfFamily", () => {
  it("knows that MBG/NBD lets customers leave before their first repeat purchase", () => {
    const parameters = { r: 0.6, alpha: 6, a: 0.8, b: 2.5 };
    assert.deepEqual(modelOfFamily("mbgnbd", parameters), { ...parameters, firstDropOut: 0 });
    assert.deepEqual(modelOfFamily("bgnbd", parameters), parameters);
  });
});

describe("nearLimit", () => {
  const warningAt = (q: number, error: number) => {
    const gammaGamma = { parameters: { p: 6, q, gamma: 15 }, standardErrors: { p: 1, q: error, gamma: 1 } };
    return nearLimit({ gammaGamma } as unknown as FittedModel);
  };

  it("warns of a q below 1.2, or of one that can be 1 by its standard error", () => {
    assert.match(
      warningAt(1.19, 0.05)!,
      /^Gamma-Gamma's q is 1\.190 \(standard error 0\.050\), near 1, .* far too high/,
    );
    assert.match(warningAt(1.9, 0.5)!, /q is 1\.900 \(standard error 0\.50\)/);
    assert.equal(warningAt(1.25, 0.1), undefined);
    assert.equal(warningAt(2, 0.5), undefined);
    assert.equal(nearLimit({ gammaGamma: null } as unknown as FittedModel), undefined);
  });
});
