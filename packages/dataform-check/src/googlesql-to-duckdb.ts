import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { type Parameters, positionOf, QueryError } from "./query.ts";

// A string or comment, which stays as it is; a path in backticks; a parameter; or what the translator gets wrong.
const TOKENS =
  /("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)|`([^`]+)`|@(\w+)|(?<=\bINTERVAL\s+)([A-Za-z_][\w.]*)(?=\s+[A-Z])|\b(DIV|COUNTIF|BYTE_LENGTH|SIN|COS|ATAN2|STRPOS|INSTR|STARTS_WITH|ENDS_WITH|LAST_DAY|(?:FIRST|LAST|NTH)_VALUE(?!\s*\(\s*[\w.]+[\s,\d]*\sIGNORE\b))\s*\(|\b(?:ISOWEEK|WEEK\s*\(\s*MONDAY\s*\))(?=\s*\))(?<=_TRUNC\s*\((?:[^()]|\([^()]*\))*)/gi;

/** Before the name of a function, so that the translator does not know it. It writes names of functions in capitals. */
const UNKNOWN = "__FUNCTION_";

const IGNORE_NULLS = /\bIGNORE\s+NULLS\b/gi;

/** DuckDB's types by GoogleSQL's. */
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

/** The query with blanks instead of strings and comments, of the same length. */
export const withoutText = (sql: string): string =>
  sql.replace(TOKENS, (whole, kept?: string) => (kept === undefined ? whole : " ".repeat(kept.length)));

/** The query with each path in backticks replaced. */
export const withPaths = (sql: string, name: (path: string) => string): string =>
  sql.replace(TOKENS, (whole, _, path?: string) => (path === undefined ? whole : name(path)));

/**
 * Translates a GoogleSQL query to DuckDB's dialect. Translations are cached in a folder, because the translator takes
 * longer to load than most queries take to run.
 * @throws QueryError with the position of a syntax error or of a parameter that has no value.
 */
export async function translate(sql: string, parameters: Parameters, cacheDir?: string): Promise<string> {
  const prepared = sql.replace(TOKENS, rewriteToken);
  const cached = cacheDir === undefined ? undefined : join(cacheDir, `${fingerprint(prepared)}.sql`);
  let translated = cached !== undefined && existsSync(cached) ? readFileSync(cached, "utf8") : undefined;
  if (translated === undefined) {
    // Without this V8 optimizes 23 MB of WebAssembly for seconds, for code that runs for milliseconds.
    setFlagsFromString("--wasm-tiering-budget=2000000000");
    const { Dialect, transpile } = await import("@polyglot-sql/sdk");
    const result = transpile(prepared, Dialect.BigQuery, Dialect.DuckDB);
    if (!result.success || result.sql?.length !== 1) throw syntaxError(sql, result);
    translated = result.sql[0]!;
    const [given, kept] = [sql, translated].map((text) => withoutText(text).match(IGNORE_NULLS)?.length);
    if (given !== kept)
      throw new QueryError(
        "IGNORE NULLS of an expression is not supported: compute the expression in a subquery",
        positionOf(sql, withoutText(sql).search(IGNORE_NULLS)),
      );
    if (cached !== undefined) keep(cached, translated);
  }
  return translated.replaceAll(UNKNOWN, "").replace(/__param_(\w+)/g, (_, name: string) => {
    const parameter = parameters[name];
    if (parameter === undefined) {
      const used = [...sql.matchAll(TOKENS)].find((match) => match[3] === name);
      const position = positionOf(sql, used?.index ?? 0);
      throw new QueryError(`the query uses the parameter @${name}, which has no value`, position);
    }
    return `CAST($${name} AS ${DUCKDB_TYPES[parameter.type]})`;
  });
}

/** Writes a translation to the cache. In a folder that can't be written to, each process translates again. */
function keep(file: string, text: string): void {
  // Renamed, so that another process never reads half a file.
  const temporary = `${file}.${randomUUID()}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS"].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}

let translatorVersion: string | undefined;

function fingerprint(sql: string): string {
  if (translatorVersion === undefined) {
    const manifest = new URL("../package.json", import.meta.resolve("@polyglot-sql/sdk"));
    translatorVersion = String(JSON.parse(readFileSync(manifest, "utf8")).version);
  }
  return createHash("sha256").update(`${translatorVersion}\n${sql}`).digest("hex").slice(0, 24);
}

function rewriteToken(
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
  if (interval !== undefined) return `(${interval})`; // DuckDB does not parse INTERVAL a DAY
  if (called === undefined) return "WEEK"; // DuckDB's weeks start on Monday
  const name = called.toUpperCase();
  // The translator makes a + b // c of DIV(a + b, c). DuckDB's COUNT_IF is null when all conditions are null.
  if (name === "DIV") return "DIVIDE(";
  if (name === "COUNTIF") return "COUNT(*) FILTER (WHERE ";
  if (name === "BYTE_LENGTH") return `${UNKNOWN}STRLEN(`;
  // Both dialects have the others. The translator leaves their arguments as they are, unless it does not know them.
  return `${UNKNOWN}${name}(`;
}

function syntaxError(
  sql: string,
  { error, errorStart }: { error?: string | null; errorStart?: number | null },
): QueryError {
  const message = (error ?? "the query is not exactly one statement").replace(
    /^Parse error at line \d+, column \d+: /,
    "",
  );
  if (errorStart === undefined || errorStart === null) return new QueryError(message);
  // The offset is in the rewritten text.
  let added = 0;
  for (const match of sql.matchAll(TOKENS)) {
    if (match.index + added >= errorStart) break;
    added += rewriteToken(...(match as unknown as [string])).length - match[0].length;
  }
  return new QueryError(message, positionOf(sql, errorStart - added));
}
