import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { QueryError } from "../../contracts/warehouse.ts";
import type { Action } from "./dataform.ts";

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
 * Offset in the source of an offset in the compiled query. Between ${…} the compiled text stands in the source to the
 * letter, so the pieces between them are found one after another; a place inside ${…} is where it begins.
 */
function sourceOffset(source: string, compiled: string, offset: number): number | undefined {
  const placeholder = /\$\{(?:[^{}"'`]|"[^"]*"|'[^']*'|\{[^{}]*\})*\}/g;
  const bodyStart = source.indexOf(compiled.trimStart().slice(0, firstDifference(source, compiled)));
  if (bodyStart < 0) return undefined;
  let compiledAt = compiled.length - compiled.trimStart().length;
  let sourceAt = bodyStart;
  while (sourceAt <= source.length) {
    placeholder.lastIndex = sourceAt;
    const next = placeholder.exec(source);
    const piece = source.slice(sourceAt, next?.index ?? source.length).trimEnd();
    const found = compiled.indexOf(piece, compiledAt);
    if (found < 0) return undefined;
    if (offset < found) return sourceAt;
    if (offset <= found + piece.length || next === null)
      return Math.min(sourceAt + offset - found, source.length);
    compiledAt = found + piece.length;
    sourceAt = next.index + next[0].length;
    if (compiled.indexOf(source.slice(sourceAt, sourceAt + 1), compiledAt) > offset) return next.index;
  }
  return undefined;
}

/** Length of the start of the compiled query that stands in the source to the letter. */
function firstDifference(source: string, compiled: string): number {
  const text = compiled.trimStart();
  let length = Math.min(text.length, 40);
  while (length > 0 && !source.includes(text.slice(0, length))) length -= 1;
  return length;
}
