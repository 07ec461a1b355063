/** A piece of a .sql or .sqlx file. The texts of all tokens together are the file. */
export interface Token {
  /** `block`: config, js, operations or input, with its braces. `expression`: ${…}. `word`: also numbers and operators. */
  readonly kind: "block" | "comment" | "expression" | "quoted" | "space" | "word";
  readonly text: string;
}

const SPACE = /\s+/y;
const COMMENT = /--[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const QUOTE = /(?:r|b|rb|br)?(?:"""|'''|["'])|`/iy;
const BLOCK = /(config|js|pre_operations|post_operations|input\b[^{}\n]*)\s*\{/y;
// One word: a type with its fields, as in ARRAY<STRUCT<a INT64>>, and a dashed project id, as in FROM my-project-1.ds.t.
const WORD =
  /(?:ARRAY|STRUCT)\s*<(?:[\w\s,`]|<(?:[\w\s,`]|<(?:[\w\s,`]|<[\w\s,`]*>)*>)*>)*>|[a-z_]\w*(?:-\w+)+(?=\.\w)|[\w@]+|\|>|->|<=|>=|<>|!=|=>|\|\||<<|>>|[\s\S]/iy;

/** The tokens of a file. A string that is not closed ends with its line, everything else with the file. */
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

/** The offset after the closing quote of a string or name. A quote inside ${…} does not close it. */
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

/** Start and end of each ${…} in a string. */
export function expressionsIn(text: string): [start: number, end: number][] {
  const found: [number, number][] = [];
  for (let start = text.indexOf("${"); start >= 0; start = text.indexOf("${", found.at(-1)![1]))
    found.push([start, endOfScript(text, start + 2)]);
  return found;
}

// A slash starts a regular expression where no value is before it, else it divides.
const SCRIPT =
  /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\/\/.*|\/\*[\s\S]*?\*\/|(?<=(?:[(,=:[!&|?{};+*%<>~^-]|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/|[`{}]/g;
const TEMPLATE = /\\[\s\S]|`|\$\{/g;

/** The offset after the brace that closes the JavaScript that begins at start. */
function endOfScript(source: string, start: number): number {
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
