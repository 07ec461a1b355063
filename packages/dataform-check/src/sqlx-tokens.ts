import { endOfScript } from "../../../jobs/sql-runner/source-position.ts";

/** A piece of a .sql or .sqlx file; the texts of all tokens together are the file. */
export interface Token {
  /** `block`: config, js, operations or input with its braces. `expression`: ${…}. `word`: also a number or an operator. */
  readonly kind: "block" | "comment" | "expression" | "quoted" | "space" | "word";
  readonly text: string;
}

const SPACE = /\s+/y;
const COMMENT = /--[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const QUOTE = /(?:r|b|rb|br)?(?:"""|'''|["'])|`/iy;
const BLOCK = /(config|js|pre_operations|post_operations|input\b[^{}\n]*)\s*\{/y;
const WORD = /[\w@]+|<=|>=|<>|!=|=>|\|\||<<|>>|[\s\S]/y;

/** The file's tokens. What is not closed ends with its line (a string) or the file. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; ) {
    const [kind, end] = tokenAt(source, at);
    tokens.push({ kind, text: source.slice(at, end) });
    at = end;
  }
  return tokens;
}

function tokenAt(source: string, at: number): [Token["kind"], number] {
  const end = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.test(source) ? pattern.lastIndex : -1;
  };
  if (end(SPACE) > 0) return ["space", SPACE.lastIndex];
  if (end(COMMENT) > 0) return ["comment", COMMENT.lastIndex];
  if (source.startsWith("${", at)) return ["expression", endOfScript(source, at + 2)];
  if (end(QUOTE) > 0) {
    const quote = source.slice(at, QUOTE.lastIndex).replace(/^[rb]+/i, "");
    return ["quoted", endOfQuoted(source, QUOTE.lastIndex, quote)];
  }
  const startsLine = /^\s*$/.test(source.slice(source.lastIndexOf("\n", at - 1) + 1, at));
  if (startsLine && end(BLOCK) > 0) {
    const isScript = /^(config|js)/.test(source.slice(at));
    return ["block", (isScript ? endOfScript : endOfSqlBlock)(source, BLOCK.lastIndex)];
  }
  return ["word", end(WORD)];
}

/** Offset behind the quote that closes a string or name; what is inside ${…} does not close it. */
function endOfQuoted(source: string, start: number, quote: string): number {
  for (let at = start; at < source.length; ) {
    if (source.startsWith(quote, at)) return at + quote.length;
    if (source.startsWith("${", at)) at = endOfScript(source, at + 2);
    else if (source[at] === "\n" && quote.length === 1) return at;
    else at += source[at] === "\\" ? 2 : 1;
  }
  return source.length;
}

function endOfSqlBlock(source: string, start: number): number {
  for (let at = start, depth = 1; at < source.length; ) {
    const end = tokenAt(source, at)[1];
    const text = source.slice(at, end);
    depth += text === "{" ? 1 : text === "}" ? -1 : 0;
    if (depth === 0) return end;
    at = end;
  }
  return source.length;
}
