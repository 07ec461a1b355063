/** Averages: a customer buys as often as customers with a like recency and frequency did. */
import { type Example, type KnownExample, type Prediction, runCandidate } from "../candidate.ts";

/** Mean number of purchases a week, by bucket. */
type Model = Readonly<Record<string, number>>;

/** Customers with a like number of purchases and a like time since the last one. Each bucket is about twice as wide as the one before. */
function bucketOf({ purchases, recency_days }: Example): string {
  return `${Math.floor(Math.log2(purchases))},${Math.floor(Math.log2(1 + recency_days / 7))}`;
}

function fit(examples: readonly KnownExample[]): Model {
  const sums: Record<string, { purchases: number; weeks: number }> = {};
  for (const example of examples) {
    sums[bucketOf(example)] ??= { purchases: 0, weeks: 0 };
    const sum = sums[bucketOf(example)]!;
    sum.purchases += example.actual_purchases;
    sum.weeks += example.weeks;
  }
  return Object.fromEntries(
    Object.entries(sums).map(([bucket, { purchases, weeks }]) => [bucket, purchases / weeks]),
  );
}

function predict(model: Model, examples: readonly Example[]): Prediction[] {
  return examples.map((example) => {
    // A customer like none before is expected to buy nothing more.
    const expected_purchases = (model[bucketOf(example)] ?? 0) * example.weeks;
    const mean_value = Math.max(0, example.value) / example.purchases;
    return { expected_purchases, expected_value: expected_purchases * mean_value };
  });
}

await runCandidate("averages", { fit, predict });
