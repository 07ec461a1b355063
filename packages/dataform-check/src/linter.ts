import type { Checked } from "./checker.ts";
import type { Config } from "./config.ts";
import type { Action, Graph } from "./dataform.ts";
import type { TypeMessage } from "./googlesql-values.ts";
import { joinsOf } from "./joins.ts";
import { fullNameOf, nameOf, type Position, positionOf, QueryError } from "./query.ts";
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

/** A token of the query's code, with its position and its depth in parentheses. */
interface Word {
  readonly kind: Token["kind"];
  readonly text: string;
  readonly position: Position;
  readonly depth: number;
}

/** Lints a project that was checked. Actions that were not analysed are linted by their text only. */
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
    const analysed = analysis === undefined ? [] : breachesIn(query, analysis.statement, partitions);
    const breaches = [
      ...analysed,
      ...nonDeterministicDates(code),
      ...missingDescriptions(action, isMart ? (analysis?.columns ?? []).map(({ name }) => name) : [], code),
      ...(isMart ? selectStars(action, code) : []),
    ];
    for (const { rule, message, fix, position } of applyIgnores(breaches, words)) {
      const place = describeQueryError(projectDir, action, new QueryError(`${message} (${rule})`, position));
      findings.push({ rule, text: `${place}\n  ${fix}` });
    }
  }
  return findings;
}

type Partitions = ReadonlyMap<string, string | undefined>;

const breachesIn = (query: string, statement: Node, partitions: Partitions): Breach[] => [
  ...missingPartitionFilters(query, statement, partitions),
  ...joinsWithoutKey(query, statement),
  ...arraysWithNull(query, statement),
];

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
  return code.flatMap(({ text, depth, position }, index) => {
    const isStar =
      text === "*" && depth === 0 && /^(select|distinct|all|,|\.)$/i.test(code[index - 1]?.text ?? "");
    if (!isStar) return [];
    const fix = `Name its columns${names === "" ? "" : `: ${names}`}.`;
    return [{ rule: "mart-columns" as const, message: "a mart selects *", fix, position }];
  });
}

const COMPARISONS = /^ZetaSQL:\$(equal|less|less_or_equal|greater|greater_or_equal|between|in|is_null)$/;

/** The column that a condition compares with constants or parameters; of an OR, when all its conditions do so for the same one. */
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

function missingPartitionFilters(query: string, statement: Node, partitions: Partitions): Breach[] {
  const nodes = [...nodesOf(statement)];
  /** Ids of columns that a condition compares with constants or parameters. */
  const filtered = new Set(conditionsOf(statement).flatMap((condition) => filteredColumn(condition) ?? []));
  return nodes.flatMap(([field, node]) => {
    if (field !== "resolved_table_scan_node") return [];
    const { full_name, name } = node.table as { full_name: string; name: string };
    const partitionBy = partitions.get(full_name);
    if (partitionBy === undefined) return [];
    const partition = /^\w+_TRUNC\((\w+), *\w+\)$/i.exec(partitionBy)?.[1] ?? partitionBy;
    if (columnsOf(node).some((column) => column.name === partition && filtered.has(idOf(column)))) return [];
    return [
      {
        rule: "partition-filter" as const,
        message: `${full_name} is read without a filter on its partitions`,
        fix: `Compare ${node.alias || name}.${partition} with a constant or a parameter in WHERE or ON.`,
        position: placeOf(query, node.parent),
      },
    ];
  });
}

function joinsWithoutKey(query: string, statement: Node): Breach[] {
  return joinsOf(statement, query)
    .filter(({ isComma, isCross, hasKey }) => isComma || (!isCross && !hasKey))
    .map(({ at }) => ({
      rule: "join-key" as const,
      message: "this join has no key",
      fix: "Compare a column of one side with a column of the other side, or use CROSS JOIN and a condition in WHERE.",
      position: positionOfByte(query, at),
    }));
}

/**
 * ARRAY_AGG in the result, of values that are no structs. Sources: trinodb/trino#14418 and, in BigQuery's documentation of
 * ARRAY_AGG, "An error is raised if an array in the final query result contains a NULL element".
 */
function arraysWithNull(query: string, statement: Node): Breach[] {
  const outputs = new Set((statement.output_column_list as Node[]).map(({ column }) => idOf(column)));
  return [...nodesOf(statement)].flatMap(([field, { column, expr }]) => {
    if (field !== "aggregate_list" || !outputs.has(idOf(column))) return [];
    const parts = [...nodesOf(expr)].map(([, node]) => node);
    const call = parts.find((node) => "function" in node);
    const { null_handling_modifier: nulls } = parts.find((node) => "null_handling_modifier" in node) ?? {};
    if (call === undefined || functionName(call) !== "ZetaSQL:array_agg" || nulls === "IGNORE_NULLS")
      return [];
    if (((column as Node).type as TypeMessage).array_type?.element_type.struct_type) return [];
    return [
      {
        rule: "array-null" as const,
        message: "an array in the result can have a NULL element",
        fix: "Write ARRAY_AGG(… IGNORE NULLS).",
        position: placeOf(query, expr),
      },
    ];
  });
}

function nonDeterministicDates(code: readonly Word[]): Breach[] {
  const breach = (message: string, position: Position): Breach => ({
    rule: "run-date",
    message,
    fix: "Use a query parameter such as @run_date, or a day relative to it.",
    position,
  });
  return code.flatMap(({ kind, text, position }, index) => {
    if (kind === "word" && /^CURRENT_(DATE|DATETIME|TIMESTAMP|TIME)$/i.test(text))
      return [breach(`${text.toUpperCase()} has another value tomorrow`, position)];
    const isDate =
      (kind === "quoted" && /^[rb]*["']+\d{4}-\d\d?-\d\d?/i.test(text)) ||
      (/^DATE(TIME)?$/i.test(text) &&
        code[index + 1]?.text === "(" &&
        /^\d/.test(code[index + 2]?.text ?? ""));
    return isDate ? [breach("the query contains a date", position)] : [];
  });
}

function missingDescriptions(
  action: Action,
  martColumns: readonly string[],
  code: readonly Word[],
): Breach[] {
  const breach = (message: string, fix: string, position?: Position): Breach => ({
    rule: "description",
    message,
    fix,
    position,
  });
  const found = martColumns
    .filter((name) => !action.columns[name]?.trim())
    .map((name) => {
      const word = code.findLast(
        ({ text, depth }) => depth === 0 && text.toLowerCase() === name.toLowerCase(),
      );
      const fix = `Add to columns in its config block: ${name}: "…"`;
      return breach(`column ${name} of a mart has no description`, fix, word?.position);
    });
  if (action.description.trim() !== "") return found;
  const fix = 'Say what one row is: description: "…" in its config block.';
  return [breach(`${nameOf(action.target)} has no description`, fix), ...found];
}

/** The breaches that no comment ignores, and the comments that ignore nothing. */
function applyIgnores(breaches: readonly Breach[], words: readonly Word[]): Breach[] {
  const left = new Set(breaches);
  for (const [index, { kind, text, position }] of words.entries()) {
    if (kind !== "comment" || !text.includes("lint-ignore")) continue;
    const isBesideCode = words.some(
      (word) => word.kind !== "comment" && word.position.line === position.line,
    );
    const next = words.slice(index).find((word) => word.kind !== "comment");
    const line = isBesideCode ? position.line : next?.position.line;
    const [, rule, reason] = /lint-ignore\s+([\w-]+)\s*:\s*(\S.*)/.exec(text) ?? [];
    const ignored = breaches.filter(
      (breach) => breach.rule === rule && (breach.position?.line ?? 1) === line,
    );
    for (const breach of ignored) left.delete(breach);
    if (ignored.length > 0) continue;
    const [message, fix] =
      reason === undefined
        ? [
            "lint-ignore without a rule or a reason",
            `Write: -- lint-ignore RULE: why. Rules: ${Object.keys(RULES).join(", ")}.`,
          ]
        : [
            `nothing to ignore: ${rule} is not broken here`,
            "Remove the comment, or put it beside or above the line that it is about.",
          ];
    left.add({ rule: "lint-ignore", message, fix, position });
  }
  return [...left];
}
