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
  const order = sortedBy([scores]).reverse();
  const sorted = scores.map((_, place) => scores[order[place]!]!);
  const groups = new Uint32Array(order.length + 1);
  let count = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) groups[count++] = i;
  groups[count] = order.length;
  return { order, groups: groups.subarray(0, count + 1) };
}

/** The customers' values, those of the highest score first. */
export function ranked({ order }: Ranking, values: Float64Array): Float64Array {
  return values.map((_, place) => values[order[place]!]!);
}

/**
 * The sums of `values` over the first shares (0 to 1, rising) of the customers. The values are in the order of `ranked`:
 * reading them from place to place is much faster. Each customer counts `weights` times, or once.
 */
export function sumsOfTop(
  { order, groups }: Ranking,
  values: Float64Array,
  shares: readonly number[],
  weights?: Uint8Array,
  totalWeight: number = order.length,
): number[] {
  const sums: number[] = [];
  let [taken, sum] = [0, 0];
  for (let group = 0; group + 1 < groups.length && sums.length < shares.length; group++) {
    let [weight, groupSum] = [0, 0];
    for (let i = groups[group]!; i < groups[group + 1]!; i++) {
      const times = weights === undefined ? 1 : weights[order[i]!]!;
      weight += times;
      groupSum += times * values[i]!;
    }
    for (; sums.length < shares.length; ) {
      const wanted = shares[sums.length]! * totalWeight - taken;
      if (wanted > weight) break;
      sums.push(sum + (weight === 0 ? 0 : (wanted / weight) * groupSum));
    }
    taken += weight;
    sum += groupSum;
  }
  // Rounding can leave the last share a little above all customers.
  return shares.map((_, i) => sums[i] ?? sum);
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
