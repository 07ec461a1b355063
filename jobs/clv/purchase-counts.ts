import type { BgNbdParameters } from "./bg-nbd.ts";
import { gaussLegendre, type Quadrature } from "./gauss-legendre.ts";
import type { ParetoNbdParameters } from "./pareto-nbd.ts";
import { afterHistory, type PurchaseModel } from "./purchase-model.ts";

/** Counts above this are one group: a purchase is a day, and the longest horizon has 3,640 days. */
const LARGEST_COUNT = 5000;

/**
 * P(Y > n), n = 0, 1, ..., where Y is the number of purchases in the t weeks after T of a customer who is active at T, with x
 * repeat purchases until then: as long as it is above `least`, and the first value that is not. Only P(Y > 0) when that is at
 * most `enough`, so that a caller who then needs no more does not wait for it.
 */
export function tailsIfActive(
  model: PurchaseModel,
  x: number,
  T: number,
  t: number,
  least: number,
  enough = least,
): number[] {
  const active = afterHistory(model, x, T);
  return "s" in active ? paretoNbdTails(active, t, least, enough) : bgNbdTails(active, t, least, enough);
}

/** Kept tails go down to this, so that the next customer seldom needs more. */
const KEPT_LEAST = 0.001;
const MOST_KEPT = 20_000;
let kept: { model?: PurchaseModel; t?: number; size: number; tails: Map<number, Map<number, number[]>> } = {
  size: 0,
  tails: new Map(),
};

/**
 * The same, but it can go on beyond `least`, and is kept for the next customers of this model object with the same x and T, which
 * many have in common.
 */
export function keptTails(
  model: PurchaseModel,
  x: number,
  T: number,
  t: number,
  least: number,
  enough = least,
): readonly number[] {
  if (model !== kept.model || t !== kept.t || kept.size === MOST_KEPT)
    kept = { model, t, size: 0, tails: new Map() };
  const byAge = kept.tails.get(x) ?? new Map<number, number[]>();
  const found = byAge.get(T);
  if (
    found !== undefined &&
    (found.at(-1)! <= least || found[0]! <= enough || found.length === LARGEST_COUNT)
  )
    return found;
  const tails = tailsIfActive(model, x, T, t, Math.min(least, KEPT_LEAST), enough);
  kept.tails.set(x, byAge.set(T, tails));
  if (found === undefined) kept.size++;
  return tails;
}

/** Who makes n + 1 purchases would also if never leaving (negative binomial), and has not left after any of the first n. */
function bgNbdTails({ r, alpha, a, b }: BgNbdParameters, t: number, least: number, enough: number): number[] {
  const logZ = Math.log(t / (alpha + t));
  const tails: number[] = [];
  let logTerm = -r * Math.log1p(t / alpha);
  let more = 1;
  let stays = 1;
  for (let n = 0; n < LARGEST_COUNT; n++) {
    more -= Math.exp(logTerm);
    logTerm += logZ + Math.log((r + n) / (n + 1));
    tails.push(Math.max(more, 0) * stays);
    if (!(tails[n]! > (n === 0 ? enough : least))) break;
    stays *= (b + n) / (a + b + n);
  }
  return tails;
}

/**
 * The integral over the time u of purchase n + 1, 0 to t, of its density for a gamma distributed rate, times the part
 * (beta / (beta + u)) ** s that has not left.
 */
function paretoNbdTails(
  { r, alpha, s, beta }: ParetoNbdParameters,
  t: number,
  least: number,
  enough: number,
): number[] {
  const { nodes, weights } = ruleFor(r + (r * t) / alpha);
  // The substitution of pareto-nbd.ts, which keeps the singularities away.
  const scale = 1 / (1 / alpha + 1 / beta);
  const span = Math.log1p(t / scale);
  const logTerms = new Float64Array(nodes.length);
  const logSteps = new Float64Array(nodes.length);
  for (let i = 0; i < nodes.length; i++) {
    const grown = Math.exp(span * nodes[i]!);
    const u = scale * (grown - 1);
    logTerms[i] =
      Math.log((weights[i]! * span * scale * grown * r) / (alpha + u)) -
      r * Math.log1p(u / alpha) -
      s * Math.log1p(u / beta);
    logSteps[i] = Math.log(u / (alpha + u));
  }
  const tails: number[] = [];
  for (let n = 0; n < LARGEST_COUNT; n++) {
    const logRatio = Math.log((r + n + 1) / (n + 1));
    let sum = 0;
    for (let i = 0; i < nodes.length; i++) {
      sum += Math.exp(logTerms[i]!);
      logTerms[i]! += logSteps[i]! + logRatio;
    }
    tails.push(Math.min(sum, 1));
    if (!(sum > (n === 0 ? enough : least))) break;
  }
  return tails;
}

/** The density of the time of a purchase is narrower, the more purchases a customer makes: it needs more nodes. */
function ruleFor(purchases: number): Quadrature {
  let n = 8;
  while (n < 3 * Math.sqrt(purchases) && n < 1536) n *= 2;
  const rule = RULES.get(n) ?? gaussLegendre(n);
  RULES.set(n, rule);
  return rule;
}
const RULES = new Map<number, Quadrature>();
