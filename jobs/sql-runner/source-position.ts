import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { QueryError } from "../../contracts/warehouse.ts";
import type { Action } from "../../packages/dataform-check/src/dataform.ts";

/**
 * What a person needs to mend a query that the warehouse refused: the file, line and column in the .sqlx as written,
 * the line itself and a caret below the place.
 */
export function describeQueryError(projectDir: string, action: Action, error: QueryError): string {
  const file = join(projectDir, action.file);
  if (error.position === undefined) return `${file}: ${error.message}`;
  const source = readFileSync(file, "utf8");
  const compiledLines = action.query.split("\n");
  const { line, column } = error.position;
  const offset =
    compiledLines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
  const written = sourceOffset(source, action.query, offset);
  if (written === undefined) return `${file}: ${error.message}`;
  const before = source.slice(0, written);
  const start = before.lastIndexOf("\n") + 1;
  const text = source.slice(start).split("\n", 1)[0]!;
  const position = `${before.split("\n").length}:${written - start + 1}`;
  return `${file}:${position}: ${error.message}\n  ${text}\n  ${" ".repeat(written - start)}^`;
}

/**
 * Offset in the source of an offset in the compiled query. Outside of ${…} and of blocks the compiled text stands in
 * the source to the letter, so these pieces are found one after another; a place inside ${…} is where it begins.
 */
function sourceOffset(source: string, compiled: string, offset: number): number | undefined {
  const wanted = Math.min(offset, compiled.trimEnd().length);
  const pieces = literalPieces(source);
  let end = 0;
  let hole = 0;
  for (const { at, text } of pieces) {
    const isLast = at + text.length === source.length;
    const found = isLast ? compiled.length - text.length : compiled.indexOf(text, end);
    if (found < end || !compiled.startsWith(text, found)) return undefined;
    if (wanted < found) return hole;
    if (wanted < found + text.length || isLast) return at + wanted - found;
    end = found + text.length;
    hole = at + text.length;
  }
  return undefined;
}

/** What of a .sqlx file gets into the query as it is: all but config, js and operations blocks and ${…}; comments whole. */
function literalPieces(source: string): { at: number; text: string }[] {
  const opening = /--.*|#.*|\/\*[\s\S]*?\*\/|\$\{|^\s*(?:config|js|pre_operations|post_operations)\s*\{/gm;
  const pieces: { at: number; text: string }[] = [];
  let at = 0;
  for (let match = opening.exec(source); match !== null; match = opening.exec(source)) {
    if (!match[0].endsWith("{") || /^(--|#|\/\*)/.test(match[0])) continue;
    pieces.push({ at, text: source.slice(at, match.index) });
    at = endOfScript(source, opening.lastIndex);
    opening.lastIndex = at;
  }
  return [...pieces, { at, text: source.slice(at) }];
}

const SCRIPT = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\/\/.*|\/\*[\s\S]*?\*\/|[`{}]/g;
const TEMPLATE = /\\[\s\S]|`|\$\{/g;

/** Offset behind the brace that closes the JavaScript that begins at start. */
export function endOfScript(source: string, start: number): number {
  const open = ["{"];
  let at = start;
  while (open.length > 0) {
    const token = open.at(-1) === "`" ? TEMPLATE : SCRIPT;
    token.lastIndex = at;
    const text = token.exec(source)?.[0];
    if (text === undefined) return source.length;
    at = token.lastIndex;
    if (text === "}" || (text === "`" && open.at(-1) === "`")) open.pop();
    else if (text === "`" || text === "{" || text === "${") open.push(text);
  }
  return at;
}
