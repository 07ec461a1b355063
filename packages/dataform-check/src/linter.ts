import type { Checked } from "./checker.ts";
import type { Config } from "./config.ts";
import type { Action, Graph } from "./dataform.ts";
import type { TypeMessage } from "./googlesql-values.ts";
import { joinsOf } from "./joins.ts";
import { type Column, fullNameOf, nameOf, type Position, positionOf, QueryError } from "./query.ts";
import {
  callOf,
  columnIdsIn,
  columnsOf,
  conditionsOf,
  functionName,
  idOf,
  type Node,
  nodesOf,
  placeOf,
  positionOfByte,
} from "./resolved-tree.ts";
import { describeQueryError } from "./source-position.ts";
import { type Token, tokensOf } from "./sqlx-tokens.ts";

/** The rules, each with its reason. */
export const RULES = {
  "mart-columns":
    "A mart names its columns. With select * a new column in another table becomes part of what others read.",
  "partition-filter":
    "A query that reads a partitioned table compares the partition column with a constant or parameter. Otherwise BigQuery reads, and bills, all partitions, or refuses the query if the table requires the filter.",
  "join-key":
    "A join compares columns of both sides, otherwise it multiplies rows. Use CROSS JOIN where you want that.",
  "run-date":
    "The date comes from a query parameter. With the clock or a date in the text, a repeated run gives other tables.",
  "array-null":
    "An array in the result of a query has no NULL element: BigQuery refuses it, and only when the data has one.",
  description: "Every table, and every column of a mart, has a description: many readers see nothing else.",
  "lint-ignore":
    "A comment that ignores a rule names the rule and a reason, and there is something to ignore.",
} as const;
export type Rule = keyof typeof RULES;

export interface Finding {
  readonly rule: Rule;
  /** FILE:LINE:COLUMN: what is wrong, the line, a caret, and how to fix it. */
  readonly text: string;
}

/** A broken rule, at a position in the query; without one it is about the whole file. */
interface Breach {
  readonly rule: Rule;
  readonly message: string;
  readonly fix: string;
  readonly position: Position | undefined;
}

const breach = (rule: Rule, message: string, fix: string, position?: Position): Breach => ({
  rule,
  message,
  fix,
  position,
});

/** A token, except white space, with its depth in parentheses. */
interface Word extends Token {
  readonly position: Position;
  readonly depth: number;
}

/** Lints a project that was checked. Actions that were not analyzed are linted by their text only. */
export function lint(graph: Graph, { analyses }: Checked, projectDir: string, config: Config): Finding[] {
  const marts = `${(config.marts ?? "definitions/marts").replace(/\/$/, "")}/`;
  const partitions = new Map([
    ...Object.entries(config.partitions ?? {}),
    ...graph.actions.map(({ target, partitionBy }) => [fullNameOf(target), partitionBy] as const),
  ]);
  const undescribed = graph.sources.filter(({ description }) => description.trim() === "");
  const findings: Finding[] = undescribed.map(({ target, file }) => ({
    rule: "description",
    text: `${projectDir}/${file}:1:1: the source ${nameOf(target)} has no description (description)\n  Add one in declare({ … }).`,
  }));
  for (const action of graph.actions) {
    const { query } = action;
    const isMart = action.kind === "model" && action.file.startsWith(marts);
    const words = wordsOf(query);
    const code = words.filter(({ kind }) => kind !== "comment");
    const analysis = analyses.get(action);
    const breaches = [
      ...missingPartitionFilters(query, analysis?.statement, partitions),
      ...joinsWithoutKey(query, analysis?.statement),
      ...arraysWithNull(query, analysis?.statement),
      ...nonDeterministicDates(code),
      ...missingDescriptions(action, isMart ? (analysis?.columns ?? []) : [], code),
      ...(isMart ? selectStars(action, code) : []),
    ];
    for (const { rule, message, fix, position } of applyIgnores(breaches, words)) {
      const place = describeQueryError(projectDir, action, new QueryError(`${message} (${rule})`, position));
      findings.push({ rule, text: `${place}\n  ${fix}` });
    }
  }
  return findings;
}

function wordsOf(query: string): Word[] {
  let at = 0;
  let depth = 0;
  return tokensOf(query).flatMap(({ kind, text }) => {
    if (text === ")") depth -= 1;
    const word = { kind, text, position: positionOf(query, at), depth };
    if (text === "(") depth += 1;
    at += text.length;
    return kind === "space" ? [] : [word];
  });
}

function selectStars({ columns }: Action, code: readonly Word[]): Breach[] {
  const names = Object.keys(columns).join(", ");
  const fix = `Name its columns${names === "" ? "" : `: ${names}`}.`;
  return code
    .filter(
      ({ text }, index) => text === "*" && /^(select|distinct|all|,|\.)$/i.test(code[index - 1]?.text ?? ""),
    )
    .filter(({ depth }) => depth === 0)
    .map(({ position }) => breach("mart-columns", "a mart selects *", fix, position));
}

const COMPARISONS = /^ZetaSQL:\$(equal|less|less_or_equal|greater|greater_or_equal|between|in|is_null)$/;

/** The column that a condition compares with constants or parameters. All conditions of an OR must compare the same column. */
function filteredColumn(condition: unknown): string | undefined {
  const call = callOf(condition);
  if (call === undefined) return undefined;
  const args = call.argument_list as Node[];
  if (functionName(call) === "ZetaSQL:$or") {
    const columns = new Set(args.map(filteredColumn));
    return columns.size === 1 ? [...columns][0] : undefined;
  }
  if (!COMPARISONS.test(functionName(call)) || args.flatMap(columnIdsIn).length !== 1) return undefined;
  return args.filter((arg) => arg.resolved_column_ref_node !== undefined).flatMap(columnIdsIn)[0];
}

function missingPartitionFilters(
  query: string,
  statement: Node | undefined,
  partitions: ReadonlyMap<string, string | undefined>,
): Breach[] {
  const filtered = conditionsOf(statement).map(filteredColumn);
  return [...nodesOf(statement)].flatMap(([field, node]) => {
    if (field !== "resolved_table_scan_node") return [];
    const { full_name, name } = node.table as { full_name: string; name: string };
    const partitionBy = partitions.get(full_name);
    if (partitionBy === undefined) return [];
    const partition = /^\w+_TRUNC\((\w+), *\w+\)$/i.exec(partitionBy)?.[1] ?? partitionBy;
    if (columnsOf(node).some((column) => column.name === partition && filtered.includes(idOf(column))))
      return [];
    const message = `${full_name} is read without a filter on its partitions`;
    const fix = `Compare ${node.alias || name}.${partition} with a constant or a parameter in WHERE or ON.`;
    return [breach("partition-filter", message, fix, placeOf(query, node.parent))];
  });
}

function joinsWithoutKey(query: string, statement: Node | undefined): Breach[] {
  const fix =
    "Compare a column of one side with a column of the other side, or use CROSS JOIN and a condition in WHERE.";
  return joinsOf(statement, query)
    .filter(({ isComma, isCross, hasKey }) => isComma || (!isCross && !hasKey))
    .map(({ at }) => breach("join-key", "this join has no key", fix, positionOfByte(query, at)));
}

/**
 * ARRAY_AGG in the result, of values that are no structs. Sources: trinodb/trino#14418 and, in BigQuery's documentation of
 * ARRAY_AGG, "An error is raised if an array in the final query result contains a NULL element".
 */
function arraysWithNull(query: string, statement: Node | undefined): Breach[] {
  const outputs = ((statement?.output_column_list ?? []) as Node[]).map(({ column }) => idOf(column));
  return [...nodesOf(statement)].flatMap(([field, { column, expr }]) => {
    if (field !== "aggregate_list" || !outputs.includes(idOf(column))) return [];
    const parts = [...nodesOf(expr)].map(([, node]) => node);
    const call = parts.find((node) => "function" in node);
    const { null_handling_modifier: nulls } = parts.find((node) => "null_handling_modifier" in node) ?? {};
    const isStruct = ((column as Node).type as TypeMessage).array_type?.element_type.struct_type;
    if (call === undefined || functionName(call) !== "ZetaSQL:array_agg") return [];
    if (nulls === "IGNORE_NULLS" || isStruct) return [];
    const message = "an array in the result can have a NULL element";
    return [breach("array-null", message, "Write ARRAY_AGG(… IGNORE NULLS).", placeOf(query, expr))];
  });
}

function nonDeterministicDates(code: readonly Word[]): Breach[] {
  const fix = "Use a query parameter such as @run_date, or a day relative to it.";
  return code.flatMap(({ kind, text, position }, index) => {
    if (kind === "word" && /^CURRENT_(DATE|DATETIME|TIMESTAMP|TIME)$/i.test(text))
      return breach("run-date", `${text.toUpperCase()} has another value tomorrow`, fix, position);
    const next = code.slice(index, index + 3).map((word) => word.text);
    const isDate =
      (kind === "quoted" && /^[rb]*["']+\d{4}-\d\d?-\d\d?/i.test(text)) ||
      /^DATE(TIME)? \( \d/i.test(next.join(" "));
    return isDate ? breach("run-date", "the query contains a date", fix, position) : [];
  });
}

function missingDescriptions(
  action: Action,
  martColumns: readonly Column[],
  code: readonly Word[],
): Breach[] {
  const own = breach(
    "description",
    `${nameOf(action.target)} has no description`,
    'Say what one row is: description: "…" in its config block.',
  );
  const columns = martColumns.filter(({ name }) => !action.columns[name]?.trim());
  return [
    ...(action.description.trim() === "" ? [own] : []),
    ...columns.map(({ name }) =>
      breach(
        "description",
        `column ${name} of a mart has no description`,
        `Add to columns in its config block: ${name}: "…"`,
        code.findLast(({ text, depth }) => depth === 0 && text.toLowerCase() === name.toLowerCase())
          ?.position,
      ),
    ),
  ];
}

/** The breaches that no comment ignores, and the comments that ignore nothing. */
function applyIgnores(breaches: readonly Breach[], words: readonly Word[]): Breach[] {
  const left = new Set(breaches);
  for (const [index, { kind, text, position }] of words.entries()) {
    if (kind !== "comment" || !text.includes("lint-ignore")) continue;
    const isCode = (word: Word): boolean => word.kind !== "comment";
    const beside = words.find((word) => isCode(word) && word.position.line === position.line);
    const { line } = (beside ?? words.slice(index).find(isCode))?.position ?? {};
    const [, rule] = /lint-ignore\s+([\w-]+)\s*:\s*\S/.exec(text) ?? [];
    const ignored = breaches.filter((each) => each.rule === rule && (each.position?.line ?? 1) === line);
    for (const each of ignored) left.delete(each);
    if (ignored.length > 0) continue;
    const [message, fix] =
      rule === undefined
        ? [
            "lint-ignore without a rule or a reason",
            `Write: -- lint-ignore RULE: why. Rules: ${Object.keys(RULES).join(", ")}.`,
          ]
        : [
            `nothing to ignore: ${rule} is not broken here`,
            "Remove the comment, or put it beside or above the line that it is about.",
          ];
    left.add(breach("lint-ignore", message!, fix!, position));
  }
  return [...left];
}
