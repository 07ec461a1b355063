import { sortedBy } from "./sort.ts";

/**
 * Customers in falling order of a score. Customers with equal scores have no order among themselves: each figure is its
 * mean over all their orders, so it does not depend on the order of the rows.
 */
export type Ranking = {
  /** The customers' indices, highest score first. */
  order: Uint32Array;
  /** The start of each group of equal scores in `order`; at the end, the number of customers. */
  groups: Uint32Array;
};

/** Ranks by score, highest first. A score must not be NaN. O(n). */
export function rank(scores: Float64Array): Ranking {
  const order = sortedBy([scores.map((score) => -score)]);
  const groups = new Uint32Array(order.length + 1);
  let count = 0;
  for (let i = 0; i < order.length; i++)
    if (i === 0 || scores[order[i]!] !== scores[order[i - 1]!]) groups[count++] = i;
  groups[count] = order.length;
  return { order, groups: groups.subarray(0, count + 1) };
}

/** The customers' values, those of the highest score first. */
export function ranked({ order }: Ranking, values: Float64Array): Float64Array {
  return values.map((_, place) => values[order[place]!]!);
}

/**
 * The sum of `values` over the first `share` (0 to 1) of the customers. The values are in the order of `ranked`: reading
 * them from place to place is much faster. Each customer counts `weights` times, or once.
 */
export function sumOfTop(
  { order, groups }: Ranking,
  values: Float64Array,
  share: number,
  weights?: Uint8Array,
  totalWeight: number = order.length,
): number {
  const wanted = share * totalWeight;
  let taken = 0;
  let sum = 0;
  for (let group = 0; group + 1 < groups.length && taken < wanted; group++) {
    let weight = 0;
    let groupSum = 0;
    for (let i = groups[group]!; i < groups[group + 1]!; i++) {
      const times = weights === undefined ? 1 : weights[order[i]!]!;
      weight += times;
      groupSum += times * values[i]!;
    }
    const part = weight > wanted - taken ? (wanted - taken) / weight : 1;
    sum += part * groupSum;
    taken += weight;
  }
  return sum;
}

/** Spearman's rank correlation; equal scores have their mean rank. NaN if all scores of a ranking are equal. */
export function rankCorrelation(one: Ranking, other: Ranking): number {
  const [left, right] = [one, other].map(centredRanks);
  let [product, leftSquare, rightSquare] = [0, 0, 0];
  left!.forEach((rank, i) => {
    product += rank * right![i]!;
    leftSquare += rank * rank;
    rightSquare += right![i]! ** 2;
  });
  return product / Math.sqrt(leftSquare * rightSquare);
}

/** Twice the ranks, less their mean: a correlation does not depend on the scale. */
function centredRanks({ order, groups }: Ranking): Float64Array {
  const ranks = new Float64Array(order.length);
  for (let group = 0; group + 1 < groups.length; group++) {
    const [start, end] = [groups[group]!, groups[group + 1]!];
    for (let i = start; i < end; i++) ranks[order[i]!] = start + end - order.length;
  }
  return ranks;
}
