import { QueryError } from "../../../contracts/warehouse.ts";
import { describeQueryError } from "../../../jobs/sql-runner/source-position.ts";
import { UserError } from "../../../lib/user-error.ts";
import type { Action, Graph } from "./dataform.ts";
import { positionOf } from "./googlesql-to-duckdb.ts";
import {
  listOf,
  nameOf,
  nodesOf,
  offsets,
  type Parts,
  partsOf,
  readQuery,
  type SqlToken,
  startOf,
} from "./syntax-tree.ts";

/** The rules and why they are there. A line is excused by a comment beside or above it: -- lint-ignore RULE: why */
export const RULES = {
  "mart-columns":
    "A mart names its columns: with select * a new column somewhere else becomes part of what others read.",
  "partition-filter":
    "Where a partitioned table is read, its partition column is compared with something that the query knows beforehand; else BigQuery reads, and bills, all partitions.",
  "join-key":
    "A join compares columns of both sides; else it multiplies rows. Where that is meant, CROSS JOIN says so.",
  "run-date":
    "The run date is the parameter @run_date: with the clock or a date in the text, running a date again gives other tables.",
  description:
    "Every table, and every column of a mart, says what it is: people who read it see nothing else.",
  "lint-ignore": "An excuse names a rule and a reason, and there is something that it excuses.",
} as const;
export type Rule = keyof typeof RULES;

export interface Finding {
  readonly rule: Rule;
  /** FILE:LINE:COLUMN: what is wrong, the line, a caret, and how to mend it. */
  readonly text: string;
}

/** What an action breaks, at an offset in its query; without one it is about the file as a whole. */
interface Breach {
  readonly rule: Rule;
  readonly message: string;
  readonly fix: string;
  readonly at?: number;
}

/**
 * Lints the models and assertions of a compiled project; marts are the models in definitions/marts. Throws a UserError
 * with the place where a query can't be read.
 */
export async function lint(graph: Graph, projectDir: string): Promise<Finding[]> {
  const partitions = new Map(
    graph.actions.flatMap(({ target, partitionBy }) =>
      partitionBy === undefined
        ? []
        : [[[target.project, target.dataset, target.name].join("."), partitionBy] as const],
    ),
  );
  const undescribed = graph.sources.filter(({ description }) => description.trim() === "");
  const findings: Finding[] = undescribed.map(({ target, file }) => ({
    rule: "description",
    text: `${projectDir}/${file}:1:1: the source ${target.dataset}.${target.name} has no description (description)\n  Give it one in its declare({ … }).`,
  }));
  for (const action of graph.actions) {
    const { tree, tokens } = await readQuery(action.query).catch((error) => {
      throw error instanceof QueryError
        ? new UserError(describeQueryError(projectDir, action, error))
        : error;
    });
    const offset = offsets(action.query);
    const selects = [...nodesOf(tree, "select"), ...nodesOf(tree, "joined_table")];
    const breaches = [
      ...selects.flatMap((select) => unfiltered(select, partitions)),
      ...selects.flatMap(keyless),
    ].map((breach) => ({ ...breach, at: offset(breach.at ?? 0) }));
    const all: Breach[] = [...breaches, ...clocks(tokens), ...undocumented(action, tree, offset)];
    if (isMart(action)) all.push(...stars(action, tree, tokens));
    for (const { rule, message, fix, at } of excused(all, tokens, action.query)) {
      const position = at === undefined ? undefined : positionOf(action.query, at);
      const place = describeQueryError(projectDir, action, new QueryError(`${message} (${rule})`, position));
      findings.push({ rule, text: `${place}\n  ${fix}` });
    }
  }
  return findings;
}

const isMart = ({ kind, file }: Action): boolean => kind === "model" && file.startsWith("definitions/marts/");

/** The selects whose rows are those of the query: more than one with UNION ALL and its like. */
function outermost(node: unknown): Parts[] {
  const select = partsOf(node, "select");
  if (select !== undefined) return [select];
  for (const kind of ["union", "except", "intersect"]) {
    const set = partsOf(node, kind);
    if (set !== undefined) return [...outermost(set.left), ...outermost(set.right)];
  }
  const inner = partsOf(node, "subquery") ?? partsOf(node, "paren");
  return inner === undefined ? [] : outermost(inner.this);
}

function stars(action: Action, tree: unknown, tokens: readonly SqlToken[]): Breach[] {
  const isStar = (column: unknown): boolean => partsOf(column, "star") !== undefined;
  if (!outermost(tree).some((select) => listOf(select, "expressions").some(isStar))) return [];
  let depth = 0;
  const found = tokens.filter(({ text, type }, index) => {
    if (text === "(") depth += 1;
    if (text === ")") depth -= 1;
    return (
      type === "STAR" &&
      depth === 0 &&
      /^(SELECT|COMMA|DOT|DISTINCT|ALL)$/.test(tokens[index - 1]?.type ?? "")
    );
  });
  const columns = Object.keys(action.columns).join(", ");
  return (found.length > 0 ? found : tokens.slice(0, 1)).map(({ at }) => ({
    rule: "mart-columns" as const,
    message: "a mart selects *",
    fix: `Name its columns${columns === "" ? "" : `: ${columns}`}.`,
    at,
  }));
}

interface Read {
  readonly path: string;
  readonly alias: string;
  readonly node: Parts;
}

function readsOf(select: Parts): Read[] {
  const relations = [
    ...listOf(select.from as Parts | undefined, "expressions"),
    select.left,
    ...listOf(select, "joins").map((join) => (join as Parts).this),
  ];
  return relations.flatMap((relation) => {
    const node = partsOf(relation, "table");
    if (node === undefined) return [];
    const path = [node.catalog, node.schema, node.name].flatMap((part) => nameOf(part) ?? []).join(".");
    return [{ path, alias: nameOf(node.alias) ?? path.split(".").at(-1)!, node }];
  });
}

/** What must hold for a row, one condition each: of WHERE and of all joins. */
function conditionsOf(select: Parts): unknown[] {
  const split = (node: unknown): unknown[] => {
    const and = partsOf(node, "and");
    if (and !== undefined) return [...split(and.left), ...split(and.right)];
    const paren = partsOf(node, "paren");
    return paren === undefined ? [node] : split(paren.this);
  };
  const where = (select.where_clause as Parts | null | undefined)?.this;
  return [where, ...listOf(select, "joins").map((join) => (join as Parts).on)].flatMap(split);
}

const columnsOf = (node: unknown): Parts[] =>
  nodesOf(node, "column").filter(({ name }) => !nameOf(name)?.startsWith("@"));

function unfiltered(select: Parts, partitions: ReadonlyMap<string, string>): Breach[] {
  const conditions = conditionsOf(select);
  return readsOf(select).flatMap(({ path, alias, node }) => {
    const partition = partitions.get(path);
    const isPartition = (column: unknown): boolean => {
      const parts = partsOf(column, "column");
      return nameOf(parts?.name) === partition && (nameOf(parts?.table) ?? alias) === alias;
    };
    const isFilter = (condition: unknown): boolean => {
      for (const kind of ["eq", "lt", "lte", "gt", "gte", "between", "in"]) {
        const comparison = partsOf(condition, kind);
        if (comparison === undefined || comparison.not === true) continue;
        const [column, ...others] = Object.values(comparison).toSorted(
          (one, other) => Number(isPartition(other)) - Number(isPartition(one)),
        );
        if (isPartition(column) && others.flatMap(columnsOf).length === 0) return true;
      }
      return false;
    };
    if (partition === undefined || conditions.some(isFilter)) return [];
    return [
      {
        rule: "partition-filter" as const,
        message: `${path} is read without a filter of its partitions`,
        fix: `Add to WHERE or ON: ${alias}.${partition} = @run_date`,
        at: startOf(node.name),
      },
    ];
  });
}

function keyless(select: Parts): Breach[] {
  const [, ...behindCommas] = listOf(select.from as Parts | undefined, "expressions");
  const joins = [
    ...behindCommas.map((relation) => ({ this: relation })),
    ...listOf(select, "joins"),
  ] as Parts[];
  return joins.flatMap((join) => {
    const alias = partsOf(join.this, "alias");
    const [kind, parts] = Object.entries((alias?.this ?? join.this) as Parts)[0] as [string, Parts];
    if (kind === "unnest" || join.kind === "Cross" || listOf(join, "using").length > 0) return [];
    const name = alias?.alias ?? parts.alias ?? parts.name;
    const tables = columnsOf(join.on).map(({ table }) => nameOf(table));
    const isKey =
      tables.length > 1 &&
      (tables.includes(undefined) ||
        (new Set(tables).size > 1 &&
          (kind === "joined_table" || tables.includes(nameOf(name)?.split(".").at(-1)))));
    if (isKey) return [];
    return [
      {
        rule: "join-key" as const,
        message: `${nameOf(name) ?? "this"} is joined without a key`,
        fix: "Compare a column of it with one of the other side, or write CROSS JOIN and put the condition in WHERE.",
        at: startOf(name),
      },
    ];
  });
}

function clocks(tokens: readonly SqlToken[]): Breach[] {
  return tokens.flatMap(({ type, text, at }, index) => {
    const [next, second] = [tokens[index + 1], tokens[index + 2]];
    const isClock = type !== "STRING" && /^CURRENT_(DATE|DATETIME|TIMESTAMP|TIME)$/i.test(text);
    const isDate =
      (type === "STRING" && /^\d{4}-\d\d?-\d\d?/.test(text)) ||
      (/^DATE(TIME)?$/i.test(text) && next?.text === "(" && second?.type === "NUMBER");
    if (!isClock && !isDate) return [];
    const [message, fix] = isClock
      ? [`${text.toUpperCase()} is another one tomorrow`, "Write @run_date, or a day counted from it."]
      : [
          "a date is written in the query",
          "Write @run_date, or a day counted from it, or make it a setting of the run.",
        ];
    return [{ rule: "run-date" as const, message, fix, at }];
  });
}

function undocumented(action: Action, tree: unknown, offset: (characters: number) => number): Breach[] {
  const name = `${action.target.dataset}.${action.target.name}`;
  const breaches: Breach[] = [];
  if (action.description.trim() === "") {
    const fix = 'Say what a row of it is: description: "…" in its config block.';
    breaches.push({ rule: "description", message: `${name} has no description`, fix });
  }
  if (!isMart(action)) return breaches;
  for (const column of listOf(outermost(tree)[0], "expressions")) {
    const identifier = partsOf(column, "alias")?.alias ?? partsOf(column, "column")?.name;
    const named = nameOf(identifier);
    if (named === undefined || action.columns[named]?.trim()) continue;
    const fix = `Add to columns in its config block: ${named}: "…"`;
    const at = offset(startOf(identifier));
    breaches.push({ rule: "description", message: `column ${named} of a mart has no description`, fix, at });
  }
  return breaches;
}

/** The breaches that no comment excuses, and the comments that are no excuse. */
function excused(breaches: readonly Breach[], tokens: readonly SqlToken[], query: string): Breach[] {
  const lineOf = (at = 0): number => positionOf(query, at).line;
  const left = new Set(breaches);
  for (const { at, comments } of tokens) {
    for (const comment of comments.filter((text) => text.includes("lint-ignore"))) {
      const [, rule, reason] = /lint-ignore\s+([\w-]+)\s*:\s*(\S.*)/.exec(comment) ?? [];
      const covered = breaches.filter((breach) => breach.rule === rule && lineOf(breach.at) === lineOf(at));
      for (const breach of covered) left.delete(breach);
      if (covered.length > 0) continue;
      const [message, fix] =
        reason === undefined
          ? [
              "an excuse without a rule or a reason",
              `Write: -- lint-ignore RULE: why. Rules: ${Object.keys(RULES).join(", ")}.`,
            ]
          : [
              `nothing to excuse: ${rule} is kept here`,
              "Take the comment away, or put it beside or above the line that it is about.",
            ];
      left.add({ rule: "lint-ignore", message, fix, at });
    }
  }
  return [...left];
}
