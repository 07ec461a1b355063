/** Churn: customers who are as late as this one, measured by their own rhythm, came back this often. */
import { type Example, type KnownExample, type Prediction, runCandidate } from "../candidate.ts";

/** The weeks that the examples cover, and the share of each group that bought in them. */
interface Model {
  readonly weeks: number;
  readonly returned: Readonly<Record<string, number>>;
}

/** How late a customer is: the time since the last purchase, by the mean time between purchases. */
function groupOf({ purchases, age_days, recency_days }: Example): string {
  if (purchases === 1) return `once, ${Math.floor(recency_days / 28)} months`;
  const rhythm = Math.max(1, (age_days - recency_days) / (purchases - 1));
  return `again, ${Math.floor(Math.log2(1 + recency_days / rhythm))}`;
}

function fit(examples: readonly KnownExample[]): Model {
  const returned: Record<string, number> = {};
  for (const [group, members] of Map.groupBy(examples, groupOf))
    returned[group] = members.filter((member) => member.actual_purchases > 0).length / members.length;
  return { weeks: examples[0]!.weeks, returned };
}

function predict({ weeks, returned }: Model, examples: readonly Example[]): Prediction[] {
  return examples.map((example) => {
    const share = returned[groupOf(example)] ?? 0;
    // The same chance in each of the following periods, if there are more.
    const p_active = 1 - (1 - share) ** (example.weeks / weeks);
    return { p_active, expected_value: (p_active * Math.max(0, example.value)) / example.purchases };
  });
}

await runCandidate("churn", { fit, predict });
