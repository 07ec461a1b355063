import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Action } from "./dataform.ts";
import { positionOf, type QueryError } from "./query.ts";
import { expressionsIn, tokensOf } from "./sqlx-tokens.ts";

/**
 * File, line and column in the project's source of an error in a compiled query, with the line and a caret. For a query
 * that JavaScript builds, the line of the compiled query.
 */
export function describeQueryError(projectDir: string, action: Action, error: QueryError): string {
  const file = join(projectDir, action.file);
  if (error.position === undefined) return `${file}: ${error.message}`;
  const lines = action.query.split("\n");
  const { line, column } = error.position;
  const offset = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
  const source = readFileSync(file, "utf8");
  const found = sourceOffset(source, action.query, offset);
  const caret = (text: string, indent: number): string => `  ${text}\n  ${" ".repeat(indent)}^`;
  if (found === undefined)
    return `${file}: ${error.message} (line ${line} of the compiled query of ${action.target.name})\n${caret(lines[line - 1] ?? "", column - 1)}`;
  const position = positionOf(source, found);
  const text = source.split("\n")[position.line - 1]!;
  return `${file}:${position.line}:${position.column}: ${error.message}\n${caret(text, position.column - 1)}`;
}

/**
 * The offset in the source of an offset in the compiled query. The compiled query has the source's text outside of
 * ${…} and of blocks unchanged, so these pieces are found one after another. An offset inside the result of ${…}
 * becomes the start of ${…}.
 */
function sourceOffset(source: string, compiled: string, offset: number): number | undefined {
  const wanted = Math.min(offset, compiled.trimEnd().length);
  let end = 0;
  let hole = 0;
  for (const { at, text } of unchangedPieces(source)) {
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

function unchangedPieces(source: string): { at: number; text: string }[] {
  const pieces: { at: number; text: string }[] = [];
  let start = 0;
  let at = 0;
  const leaveOut = (from: number, to: number): void => {
    pieces.push({ at: start, text: source.slice(start, from) });
    start = to;
  };
  for (const { kind, text } of tokensOf(source)) {
    if (kind === "block" || kind === "expression") leaveOut(at, at + text.length);
    if (kind === "quoted") for (const [from, to] of expressionsIn(text)) leaveOut(at + from, at + to);
    at += text.length;
  }
  return [...pieces, { at: start, text: source.slice(start) }];
}
