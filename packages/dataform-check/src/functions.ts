import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { load } from "js-yaml";
import { z } from "zod";
import type { Analysis, GoogleSqlAnalyzer, Table } from "./googlesql-analyzer.ts";
import { type TypeMessage, typeName } from "./googlesql-values.ts";
import { QueryError } from "./query.ts";
import { callOf, fieldOf, functionName, type Node, positionOfByte } from "./resolved-tree.ts";

const PAIRS: Readonly<Record<string, string>> = { i: "j", f: "h", s: "u", d: "e", ts: "tu", b: "c" };

/** The expressions that a line means, for example "i f: {SUM|AVG}($1)". */
function expand(line: string): string[] {
  const [, columns, typed = line] = /^([a-z ]+): (.*)$/.exec(line) ?? [];
  const [choice, choices] = /\{(.+?)\}/.exec(typed) ?? [];
  if (choice !== undefined)
    return choices!.split("|").flatMap((each) => expand(line.replace(choice, () => each)));
  return columns === undefined
    ? [line]
    : columns.split(" ").map((one) => typed.replaceAll("$1", one).replaceAll("$2", PAIRS[one]!));
}

const LIST = new URL("./functions.yaml", import.meta.url);

/** Expressions that give the same result in GoogleSQL and DuckDB, by group, and those that do not. */
export const FUNCTIONS = z
  .strictObject({
    usable: z.record(
      z.string(),
      z.string().transform((text) => text.trim().split("\n").flatMap(expand)),
    ),
    refused: z
      .array(z.strictObject({ write: z.string(), instead: z.string() }))
      .transform((rules) =>
        rules.flatMap(({ write, instead }) =>
          expand(write).map((each) => ({ write: each, instead: instead.replace("$0", each) })),
        ),
      ),
  })
  .parse(load(readFileSync(LIST, "utf8")));

const types = {
  INT64: "id i j k",
  FLOAT64: "f h",
  STRING: "s u",
  DATE: "d e",
  TIMESTAMP: "ts tu",
  BOOL: "b c",
};

/** The table that the expressions read. */
export const EXAMPLES: Table = {
  target: { project: "warehouse", dataset: "examples", name: "t" },
  columns: Object.entries(types).flatMap(([type, names]) => names.split(" ").map((name) => ({ name, type }))),
};

/** A query with each expression on its own line, as column v0, v1 and so on. Aggregates are grouped by k. */
export function exampleQuery(expressions: readonly string[], isAggregate: boolean): string {
  const columns = expressions.map((expression, index) => `${expression} AS v${index}`).join(",\n  ");
  return `SELECT ${isAggregate ? "k AS row_key" : "id AS row_key"},\n  ${columns}\nFROM \`warehouse.examples.t\`${isAggregate ? " GROUP BY k" : ""}`;
}

/** A function with the types of its arguments, and its place in bytes. */
interface Use {
  readonly key: string;
  readonly at: number | undefined;
}

/** An error for the first function in a query that is not known to give the same result in DuckDB. */
export type FunctionCheck = (query: string, analysis: Analysis) => QueryError | undefined;

export async function functionCheck(analyzer: GoogleSqlAnalyzer): Promise<FunctionCheck> {
  const usesIn = async (query: string): Promise<Use[]> =>
    functionsOf(await analyzer.analyze(query, { tables: [EXAMPLES] }), query);
  const groups = Object.entries(FUNCTIONS.usable).map(([group, expressions]) =>
    usesIn(exampleQuery(expressions, group === "Aggregates")),
  );
  const usable = new Set((await Promise.all(groups)).flat().map(({ key }) => key));
  const examples = exampleQuery(
    FUNCTIONS.refused.map(({ write }) => write),
    false,
  );
  const refused = new Map<string, (typeof FUNCTIONS.refused)[number]>();
  const seen = new Set<unknown>();
  for (const { key, at } of await usesIn(examples)) {
    // The first expression is on the second line.
    const rule = at === undefined ? undefined : FUNCTIONS.refused[positionOfByte(examples, at).line - 2];
    if (rule === undefined || usable.has(key) || seen.has(rule)) continue;
    refused.set(key, rule);
    seen.add(rule);
  }
  return (query, analysis) => {
    const use = functionsOf(analysis, query).find(({ key }) => !usable.has(key));
    if (use === undefined) return undefined;
    const rule = refused.get(use.key);
    const message =
      rule === undefined
        ? `${use.key.replace(/, part \d+/, "")} is not known to give the same result in DuckDB. The list of what is: ${fileURLToPath(LIST)}`
        : `${rule.write} does not give the same result in DuckDB. Use ${rule.instead}.`;
    return new QueryError(message, use.at === undefined ? undefined : positionOfByte(query, use.at));
  };
}

/** Functions, operators and casts in a resolved tree, without the project's routines. */
function functionsOf({ statement }: Analysis, query: string): Use[] {
  const uses: Use[] = [];
  const bytes = Buffer.from(query);
  const walk = (node: unknown, outer?: number, distinct = false): void => {
    if (typeof node !== "object" || node === null) return;
    const record = node as Node;
    const at = startOf(record) ?? outer;
    if ("function" in record && "signature" in record) {
      const key = keyOf(record, distinct);
      // CONCAT and || are one function in the tree.
      const isOperator = at !== undefined && !/^concat\b/i.test(bytes.toString("utf8", at, at + 7));
      if (key !== undefined) uses.push({ key: isOperator ? key.replace(/^CONCAT\(/, "||(") : key, at });
    }
    const cast = record.resolved_cast_node as Node | undefined;
    if (cast !== undefined) {
      const [from, to] = [typeOf(cast.expr), typeName(fieldOf(cast, "type") as TypeMessage)];
      // The readers round and truncate dates differently, so what is cast matters.
      const isLossy = (from === "FLOAT64" && to === "INT64") || (from === "DATE" && to === "DATE");
      const call = isLossy ? callOf(cast.expr) : undefined;
      const inner = call && keyOf(call);
      if (from !== undefined && (from !== to || inner !== undefined))
        uses.push({ key: `CAST(${inner ?? from} AS ${to})`, at: startOf(cast) ?? at });
      if (inner !== undefined) {
        walk(call!.argument_list, at);
        return;
      }
    }
    for (const [name, each] of Object.entries(record))
      if (name !== "signature") walk(each, at, record.distinct === true && name === "parent");
  };
  walk(statement);
  return uses;
}

/** The key of a function call. A routine has none. */
function keyOf(call: Node, distinct = false): string | undefined {
  const name = functionName(call);
  if (!name.startsWith("ZetaSQL:")) return undefined;
  const short = name.slice("ZetaSQL:".length).replace(/^\$/, "").toUpperCase();
  const { argument = [] } = call.signature as {
    argument?: { type?: TypeMessage; num_occurrences?: number }[];
  };
  const given = argument
    .filter(({ num_occurrences }) => num_occurrences !== 0)
    .flatMap(({ type }) => (type === undefined || type.type_kind === "TYPE_ENUM" ? [] : typeName(type)));
  // Date parts, formats, patterns and constant divisors change what a function does.
  const literals = ((call.argument_list ?? []) as Node[]).flatMap((each, index) => {
    const { enum_value, string_value, double_value = 0, int64_value = 0 } = literalOf(each);
    if (enum_value !== undefined) return [`part ${enum_value}`];
    if (/FORMAT|PARSE|REGEXP/.test(short) && string_value !== undefined)
      return [JSON.stringify(string_value)];
    return short === "DIVIDE" && index === 1 && Number(double_value) + Number(int64_value) !== 0
      ? ["number"]
      : [];
  });
  const safe = call.error_mode === "SAFE_ERROR_MODE" ? "SAFE." : "";
  return `${safe}${short}(${distinct ? "DISTINCT " : ""}${[...new Set([...given, ...literals])].join(", ")})`;
}

/** The value of a literal, also inside a cast. */
function literalOf(expression: Node): Node {
  const cast = expression.resolved_cast_node as { expr: Node } | undefined;
  const literal = (cast?.expr ?? expression).resolved_literal_node as { value: { value?: Node } } | undefined;
  return literal?.value.value ?? {};
}

const startOf = (node: Node): number | undefined =>
  (fieldOf(node, "parse_location_range") as { start?: number } | undefined)?.start;

function typeOf(expression: unknown): string | undefined {
  for (let each = expression as Node | undefined; each !== undefined; ) {
    const type = fieldOf(each, "type") as TypeMessage | undefined;
    if (type !== undefined) return typeName(type);
    const kind = Object.keys(each).find((name) => /^resolved_.*_node$/.test(name));
    each = kind === undefined ? undefined : (each[kind] as Node);
  }
  return undefined;
}
