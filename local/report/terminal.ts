import Table from "cli-table3";
import type { StepReport } from "../../contracts/step.ts";
import { intervalVerdict } from "./comparison.ts";
import { elapsed, sum, whole } from "./numbers.ts";
import { figuresOf, type Results } from "./results.ts";
import {
  type Cell,
  driftTable,
  evaluationTable,
  familyName,
  modelTitle,
  parameterTable,
  type ResultTable,
  rejectedTable,
  segmentTable,
  topCustomerTable,
} from "./tables.ts";

/** Rows that a step wrote, in all tables. */
export const rowsOf = ({ rows }: StepReport): number => sum(Object.values(rows));

/** The results of a run as tables for the terminal. */
export function renderTables(results: Results, steps: readonly StepReport[]): string {
  const { scoring } = results;
  const parameters = scoring && parameterTable(scoring);
  const note =
    "P(active) is 1 for customers with one purchase: in BG/NBD, customers can stop only after a repeat purchase.";
  const model = parameters
    ? [...(familyName(scoring) === "BG/NBD" ? [note] : []), parameters]
    : [scoring ? `${modelTitle(scoring)}.` : "No model scored: the run gives RFM only."];
  return [
    rejectedTable(results),
    stepTable(steps),
    segmentTable(results),
    ...model,
    evaluationTable(results, "holdout"),
    intervalVerdict(figuresOf(results, "holdout").model ?? {}),
    evaluationTable(results, "backtest"),
    driftTable(results),
    topCustomerTable(results),
  ]
    .filter((part) => part !== null)
    .map((part) => (typeof part === "string" ? part : render(part)))
    .join("\n\n");
}

function stepTable(steps: readonly StepReport[]): ResultTable {
  return {
    title: "Steps",
    columns: ["Step", "Time", "Rows", "Warnings"],
    rows: steps.map((step) => [
      step.step,
      step.finished_at === null ? "–" : elapsed(Date.parse(step.finished_at) - Date.parse(step.started_at)),
      whole(rowsOf(step)),
      whole(step.warnings.length),
    ]),
  };
}

function render({ title, columns, words = [], rows }: ResultTable): string {
  const table = new Table({
    head: [...columns],
    colAligns: columns.map((column, index) => (index === 0 || words.includes(column) ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
  const textOf = (cell: Cell, column: number): string => {
    if (typeof cell === "string") return cell;
    // The note of a row's name is a sentence, for which a terminal has no room.
    return cell.note === undefined || column === 0 ? cell.text : `${cell.text} (${cell.note})`;
  };
  table.push(...rows.map((row) => row.map(textOf)));
  return `${title}\n${table.toString()}`;
}
