import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { z } from "zod";
import { QueryError } from "../../../contracts/warehouse.ts";
import type { Analysis, GoogleSqlAnalyzer, Table } from "./googlesql-analyzer.ts";
import { positionOf } from "./googlesql-to-duckdb.ts";
import { type TypeMessage, typeName } from "./googlesql-values.ts";

/** Expressions that mean the same in both readers, by group, and those that do not, with the portable way. */
export const FUNCTIONS = z
  .strictObject({
    usable: z.record(
      z.string(),
      z.string().transform((text) => text.trim().split("\n")),
    ),
    refused: z.array(z.strictObject({ write: z.string(), instead: z.string() })),
  })
  .parse(load(readFileSync(new URL("./functions.yaml", import.meta.url), "utf8")));

type Refused = (typeof FUNCTIONS.refused)[number];
const types = {
  INT64: "id i j k",
  FLOAT64: "f h",
  STRING: "s u",
  DATE: "d e",
  TIMESTAMP: "ts tu",
  BOOL: "b c",
};

/** The table that the expressions are of. */
export const EXAMPLES: Table = {
  target: { project: "warehouse", dataset: "examples", name: "t" },
  columns: Object.entries(types).flatMap(([type, names]) => names.split(" ").map((name) => ({ name, type }))),
};

/** A query of expressions of the group, each a column named v and its number; one row an id, or a k for aggregates. */
export function exampleQuery(expressions: readonly string[], isAggregate: boolean): string {
  const columns = expressions.map((expression, index) => `${expression} AS v${index}`).join(",\n  ");
  return `SELECT ${isAggregate ? "k AS row_key" : "id AS row_key"},\n  ${columns}\nFROM \`warehouse.examples.t\`${isAggregate ? " GROUP BY k" : ""}`;
}

type Node = Record<string, unknown>;
/** A function with the types of its arguments, and what else tells what it does; and where it stands, in bytes. */
interface Use {
  readonly key: string;
  readonly at: number | undefined;
}

/** Which functions a project may use. */
export class FunctionRules {
  readonly #usable: ReadonlySet<string>;
  readonly #refused: ReadonlyMap<string, Refused>;

  private constructor(usable: ReadonlySet<string>, refused: ReadonlyMap<string, Refused>) {
    this.#usable = usable;
    this.#refused = refused;
  }

  static async load(analyzer: GoogleSqlAnalyzer): Promise<FunctionRules> {
    const usesOf = async (expressions: readonly string[], isAggregate: boolean): Promise<Use[]> => {
      const query = exampleQuery(expressions, isAggregate);
      return functionsOf(await analyzer.analyze(query, { tables: [EXAMPLES] }), query);
    };
    const { usable, refused } = FUNCTIONS;
    const groups = Object.entries(usable).map(([group, each]) => usesOf(each, group === "Aggregates"));
    const keys = new Set((await Promise.all(groups)).flat().map(({ key }) => key));
    // Each expression is a line of the query, behind the first.
    const writes = refused.map(({ write }) => write);
    const lines = exampleQuery(writes, false).split("\n");
    const others = (await usesOf(writes, false)).filter(({ key }) => !keys.has(key));
    let end = Buffer.byteLength(lines[0]!) + 1;
    const instead = refused.map((rule, index) => {
      const start = end;
      end += Buffer.byteLength(lines[index + 1]!) + 1;
      const use = others.find(({ at = -1 }) => at >= start && at < end);
      if (use === undefined)
        throw new Error(`functions.yaml refuses ${rule.write}, which the usable ones use.`);
      return [use.key, rule] as const;
    });
    return new FunctionRules(keys, new Map(instead));
  }

  /** An error for the first function in the query that may not be used. */
  errorIn(query: string, analysis: Analysis): QueryError | undefined {
    const use = functionsOf(analysis, query).find(({ key }) => !this.#usable.has(key));
    if (use === undefined) return undefined;
    const refused = this.#refused.get(use.key);
    const position =
      use.at === undefined
        ? undefined
        : positionOf(query, Buffer.from(query).toString("utf8", 0, use.at).length);
    const message =
      refused === undefined
        ? `${use.key.replace(/, part \d+/, "")} is not known to mean the same in DuckDB. What may be used is in docs/sql-functions.md; to use more, add an example to packages/dataform-check/src/functions.yaml and run npm test.`
        : `${refused.write} does not mean the same in DuckDB: write it like ${refused.instead}.`;
    return new QueryError(message, position);
  }
}

/** Functions, operators and casts in a resolved tree; routines are not among them. */
function functionsOf({ statement }: Analysis, query: string): Use[] {
  const uses: Use[] = [];
  const bytes = Buffer.from(query);
  const walk = (node: unknown, at?: number, distinct = false): void => {
    if (typeof node !== "object" || node === null) return;
    const record = node as Node;
    const place = startOf(record) ?? at;
    const cast = record.resolved_cast_node as Node | undefined;
    const call = cast === undefined ? undefined : callIn(cast.expr);
    if ("function" in record && "signature" in record) {
      const key = keyOf(record, distinct);
      // CONCAT and || are one function in the tree.
      const isOperator = place !== undefined && !/^concat\b/i.test(bytes.toString("utf8", place, place + 7));
      if (key !== undefined)
        uses.push({ key: isOperator ? key.replace(/^CONCAT\(/, "||(") : key, at: place });
    }
    if (cast !== undefined) {
      const [from, to] = [typeOf(cast.expr), typeName(inParents(cast, "type") as TypeMessage)];
      const start = startOf(cast) ?? place;
      const loses = (from === "FLOAT64" && to === "INT64") || (from === "DATE" && to === "DATE");
      const inner = loses && call !== undefined ? keyOf(call) : undefined;
      if (from !== "?" && (from !== to || inner !== undefined))
        uses.push({ key: `CAST(${inner ?? from} AS ${to})`, at: start });
      if (inner !== undefined) {
        walk(call!.argument_list, place);
        return;
      }
    }
    for (const [name, each] of Object.entries(record)) {
      if (name !== "signature") walk(each, place, record.distinct === true && name === "parent");
    }
  };
  walk(statement);
  return uses;
}

/** The key of a function call; none for a routine. */
function keyOf(call: Node, distinct = false): string | undefined {
  const name = (call.function as { name: string }).name;
  if (!name.startsWith("ZetaSQL:")) return undefined;
  const short = name.slice("ZetaSQL:".length).replace(/^\$/, "").toUpperCase();
  const { argument = [] } = call.signature as {
    argument?: { type?: TypeMessage; num_occurrences?: number }[];
  };
  const args = (call.argument_list ?? []) as Node[];
  const given = argument
    .filter(({ num_occurrences }) => num_occurrences !== 0)
    .flatMap(({ type }) => (type === undefined || type.type_kind === "TYPE_ENUM" ? [] : typeName(type)));
  // What a date part, a format or a pattern is, or that a divisor is a number, tells as much as the name.
  const literals = args.flatMap((each, index) => {
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

/** The value of a literal, which may be cast. */
function literalOf(expression: Node): Node {
  const cast = expression.resolved_cast_node as { expr: Node } | undefined;
  const literal = (cast?.expr ?? expression).resolved_literal_node as { value: { value?: Node } } | undefined;
  return literal?.value.value ?? {};
}

/** A property of a node, or of what it extends. */
function inParents(node: Node, property: string): unknown {
  for (let each: unknown = node; typeof each === "object" && each !== null; each = (each as Node).parent)
    if (property in each) return (each as Node)[property];
  return undefined;
}

/** Where a node begins in the query, in bytes. */
const startOf = (node: Node): number | undefined =>
  (inParents(node, "parse_location_range") as { start?: number } | undefined)?.start;

/** The function call that an expression is, if it is one: below the names of its kinds. */
function callIn(expression: unknown): Node | undefined {
  for (let each = expression as Node | undefined; each !== undefined; ) {
    if ("function" in each) return each;
    if ("function" in ((each.parent ?? {}) as Node)) return each.parent as Node;
    const kind = Object.keys(each).find((name) => /^resolved_function_call(_base)?_node$/.test(name));
    each = kind === undefined ? undefined : (each[kind] as Node);
  }
  return undefined;
}

function typeOf(expression: unknown): string {
  for (let each: Node | undefined = expression as Node; each !== undefined; ) {
    const type = inParents(each, "type") as TypeMessage | undefined;
    if (type !== undefined) return typeName(type);
    const kind: string | undefined = Object.keys(each).find((name) => /^resolved_.*_node$/.test(name));
    each = kind === undefined ? undefined : (each[kind] as Node);
  }
  return "?";
}
