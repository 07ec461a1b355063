import Table from "cli-table3";
import { KINDS } from "./injection.ts";

/** What runs with faults came to. Lists name the runs. */
export interface Outcome {
  readonly name: string;
  runs: number;
  /** How often each kind of fault was injected. */
  readonly faults: ReadonlyMap<string, number>;
  /** No final event, or one without a pipeline. */
  readonly lost: string[];
  /** More than one pipeline, or final events that differ. */
  readonly doubled: string[];
  /** Not over after its limit. */
  readonly stuck: string[];
  /** Tables, or a kept state, that are not those of a run without faults. */
  readonly wrong: string[];
}

export const emptyOutcome = (name: string): Outcome => ({
  name,
  runs: 0,
  faults: new Map(),
  lost: [],
  doubled: [],
  stuck: [],
  wrong: [],
});

const DEFECTS = ["lost", "doubled", "stuck", "wrong"] as const;

/** The runs that a fault harmed, one line for each; none if all is well. */
export const defectsOf = (outcome: Outcome): string[] =>
  DEFECTS.flatMap((defect) => outcome[defect].map((run) => `${outcome.name}, ${defect}: ${run}`));

/** The kinds of faults that no call of a boundary had. */
export const missingKinds = ({ faults }: Outcome, boundary: string): string[] =>
  KINDS.filter((kind) => !faults.has(`${boundary}: ${kind}`));

/** How often each fault was injected, and one table of all outcomes. */
export function renderOutcomes(outcomes: readonly Outcome[]): string {
  const style = { head: [], border: [], compact: true };
  const injected = outcomes.flatMap(({ faults }) => [...faults]).sort();
  const calls = new Table({ head: ["calls of", ...KINDS], style });
  const others = new Table({ head: ["processes", "faults"], style });
  const counts = new Map(injected);
  const boundaries = injected.filter(([name]) => name.includes(": ")).map(([name]) => name.split(": ")[0]!);
  for (const boundary of new Set(boundaries))
    calls.push([boundary, ...KINDS.map((kind) => counts.get(`${boundary}: ${kind}`) ?? 0)]);
  others.push(...injected.filter(([name]) => !name.includes(": ")));
  const table = new Table({ head: ["", "runs", "faults", ...DEFECTS], style });
  for (const outcome of outcomes) {
    const faults = [...outcome.faults.values()].reduce((sum, count) => sum + count, 0);
    table.push([outcome.name, outcome.runs, faults, ...DEFECTS.map((defect) => outcome[defect].length)]);
  }
  return [calls, others, table].map((each) => `${each.toString()}\n`).join("\n");
}
