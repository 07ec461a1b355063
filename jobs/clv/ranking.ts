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
  const order = sortedBy(scores).reverse();
  const sorted = ranked({ order }, scores);
  const groups = new Uint32Array(order.length + 1);
  let count = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) groups[count++] = i;
  groups[count] = order.length;
  return { order, groups: groups.subarray(0, count + 1) };
}

/** The customers' values, those of the highest score first. */
export function ranked({ order }: Pick<Ranking, "order">, values: Float64Array): Float64Array {
  const sorted = new Float64Array(order.length);
  for (let place = 0; place < order.length; place++) sorted[place] = values[order[place]!]!;
  return sorted;
}

/**
 * The sums of `values` over the first shares (0 to 1, rising) of the customers. The values are in the order of `ranked`:
 * reading them from place to place is much faster. Each customer counts `weights` times, or once.
 */
export function sumsOfTop(
  { order, groups }: Ranking,
  values: Float64Array,
  shares: readonly number[],
  weights: Uint8Array = new Uint8Array(order.length).fill(1),
  totalWeight: number = order.length,
): number[] {
  // Plain loops, and no function that changes these variables: V8 would keep each new number as an object.
  let [place, taken, sum] = [0, 0, 0];
  const sums: number[] = [];
  for (const share of shares) {
    const wanted = share * totalWeight;
    for (; place < order.length; place++) {
      const times = weights[order[place]!]!;
      if (taken + times > wanted) break;
      taken += times;
      sum += times * values[place]!;
    }
    if (place === order.length) {
      sums.push(sum);
      continue;
    }
    // The share ends among the customers of equal score: all of them count in part.
    const group = groupOf(groups, place);
    let [weight, groupSum, takenOfGroup, sumOfGroup] = [0, 0, 0, 0];
    for (let i = groups[group]!; i < groups[group + 1]!; i++) {
      if (i === place) [takenOfGroup, sumOfGroup] = [weight, groupSum];
      const times = weights[order[i]!]!;
      weight += times;
      groupSum += times * values[i]!;
    }
    sums.push(sum - sumOfGroup + ((wanted - taken + takenOfGroup) / weight) * groupSum);
  }
  return sums;
}

/** The group that a place is in: the last one that does not start after it. */
function groupOf(groups: Uint32Array, place: number): number {
  let [low, high] = [0, groups.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (groups[middle]! <= place) low = middle;
    else high = middle;
  }
  return low;
}

/** Spearman's rank correlation; equal scores have their mean rank. NaN if all scores of a ranking are equal. */
export function rankCorrelation(one: Ranking, other: Ranking): number {
  const [left, right] = [one, other].map(centeredRanks);
  let [product, leftSquare, rightSquare] = [0, 0, 0];
  left!.forEach((rank, i) => {
    product += rank * right![i]!;
    leftSquare += rank * rank;
    rightSquare += right![i]! ** 2;
  });
  return product / Math.sqrt(leftSquare * rightSquare);
}

/** Twice the ranks, less their mean: a correlation does not depend on the scale. */
function centeredRanks({ order, groups }: Ranking): Float64Array {
  const ranks = new Float64Array(order.length);
  for (let group = 0; group + 1 < groups.length; group++) {
    const [start, end] = [groups[group]!, groups[group + 1]!];
    for (let i = start; i < end; i++) ranks[order[i]!] = start + end - order.length;
  }
  return ranks;
}
