import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { fileArtifacts } from "../../../adapters/artifacts.ts";
import { type Parameters, QueryError } from "../../../contracts/warehouse.ts";

// A string, quoted name or comment, which stays as it is; a parameter; or what the translator takes wrongly.
const TOKENS =
  /("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)|`([^`]+)`|@(\w+)|(?<=\bINTERVAL\s+)([A-Za-z_][\w.]*)(?=\s+[A-Z])|\b(DIV|COUNTIF)\s*\(|\b(?:ISOWEEK|WEEK\s*\(\s*MONDAY\s*\))(?=\s*\))(?<=_TRUNC\s*\((?:[^()]|\([^()]*\))*)/gi;

/** DuckDB's name of a type of GoogleSQL. */
export const DUCKDB_TYPES: Readonly<Record<string, string>> = {
  BOOL: "BOOLEAN",
  DATE: "DATE",
  DATETIME: "TIMESTAMP",
  FLOAT64: "DOUBLE",
  INT64: "BIGINT",
  STRING: "VARCHAR",
  TIMESTAMP: "TIMESTAMPTZ",
};

/** Names of the parameters that a query uses. */
export function parametersOf(sql: string): Set<string> {
  return new Set([...sql.matchAll(TOKENS)].flatMap((match) => match[3] ?? []));
}

/** The query with blanks in place of strings and comments. */
export const withoutText = (sql: string): string =>
  sql.replace(TOKENS, (whole, kept?: string) => (kept === undefined ? whole : " ".repeat(kept.length)));

/** The query with another text for each name in one pair of backticks. */
export const withPaths = (sql: string, name: (path: string) => string): string =>
  sql.replace(TOKENS, (whole, _, path?: string) => (path === undefined ? whole : name(path)));

/**
 * Translates a GoogleSQL query to DuckDB's dialect. Around the translator, which takes them wrongly: a path in one pair
 * of backticks is split into its parts, and parameters travel as names. Translations are kept in a folder, a file each,
 * because the translator takes longer to load than most queries to run.
 * Throws QueryError with the position of a syntax error.
 */
export async function translate(sql: string, parameters: Parameters, cacheDir?: string): Promise<string> {
  const prepared = sql.replace(TOKENS, prepare);
  const cached = cacheDir === undefined ? undefined : join(cacheDir, `${fingerprint(prepared)}.sql`);
  let translated = cached !== undefined && existsSync(cached) ? readFileSync(cached, "utf8") : undefined;
  if (translated === undefined) {
    // Else V8 spends seconds optimising 23 MB of WebAssembly that runs for milliseconds.
    setFlagsFromString("--wasm-tiering-budget=2000000000");
    const { Dialect, transpile } = await import("@polyglot-sql/sdk");
    const result = transpile(prepared, Dialect.BigQuery, Dialect.DuckDB);
    if (!result.success || result.sql?.length !== 1) throw syntaxError(sql, result);
    translated = result.sql[0]!;
    if (cached !== undefined) await fileArtifacts.write(pathToFileURL(cached).href, translated);
  }
  return translated.replace(/__param_(\w+)/g, (_, name: string) => {
    const parameter = parameters[name];
    if (parameter === undefined) {
      const used = [...sql.matchAll(TOKENS)].find((match) => match[3] === name);
      const position = positionOf(sql, used?.index ?? 0);
      throw new QueryError(`the query uses the parameter @${name}, which has no value`, position);
    }
    return `CAST($${name} AS ${DUCKDB_TYPES[parameter.type]})`;
  });
}

let translatorVersion: string | undefined;

function fingerprint(sql: string): string {
  if (translatorVersion === undefined) {
    const manifest = new URL("../package.json", import.meta.resolve("@polyglot-sql/sdk"));
    translatorVersion = String(JSON.parse(readFileSync(manifest, "utf8")).version);
  }
  return createHash("sha256").update(`${translatorVersion}\n${sql}`).digest("hex").slice(0, 24);
}

function prepare(
  whole: string,
  kept?: string,
  path?: string,
  parameter?: string,
  interval?: string,
  called?: string,
): string {
  if (kept !== undefined) return whole;
  if (path !== undefined) return `\`${path.split(".").join("`.`")}\``;
  if (parameter !== undefined) return `__param_${parameter}`;
  if (interval !== undefined) return `(${interval})`; // INTERVAL a DAY is no DuckDB
  if (called === undefined) return "WEEK"; // DuckDB's begins on Monday
  // DIV(a + b, c) would become a + b // c, and DuckDB's COUNT_IF is null where every condition is.
  return called.toUpperCase() === "DIV" ? "DIVIDE(" : "COUNT(*) FILTER (WHERE ";
}

function syntaxError(
  sql: string,
  { error, errorStart }: { error?: string | null; errorStart?: number | null },
): QueryError {
  const message = (error ?? "it is not one statement").replace(/^Parse error at line \d+, column \d+: /, "");
  if (errorStart === undefined || errorStart === null) return new QueryError(message);
  // The offset is in the prepared text: what the preparation added before it does not count.
  let added = 0;
  for (const match of sql.matchAll(TOKENS)) {
    if (match.index + added >= errorStart) break;
    added += prepare(...(match as unknown as [string])).length - match[0].length;
  }
  return new QueryError(message, positionOf(sql, errorStart - added));
}

/** Line and column, from 1, of an offset in a text. */
export function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, Math.max(0, Math.min(offset, text.length)));
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}
