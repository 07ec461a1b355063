import { format } from "sql-formatter";
import { UserError } from "../../../lib/user-error.ts";
import { positionOf } from "./googlesql-to-duckdb.ts";
import { type Token, tokensOf } from "./sqlx-tokens.ts";

/**
 * Formats the SQL of a .sql or .sqlx file; blocks of .sqlx, comments, strings and ${…} stay to the letter. The result
 * formats to itself. Throws a UserError when the SQL can't be read, or when anything but white space would change: then
 * the file should stay as it is.
 */
export function formatSql(text: string, file: string): string {
  const isCrlf = text.includes("\r\n");
  const source = isCrlf ? text.replaceAll("\r\n", "\n") : text;
  if (isCrlf && source.replaceAll("\n", "\r\n") !== text) throw leftAsItIs(file, "its line ends are mixed");
  let before = source;
  // Where the formatter needs a second look to be content with its own work, it gets it.
  for (let round = 0; round < 4; round += 1) {
    const formatted = formatOnce(before, file);
    if (formatted === before) return isCrlf ? formatted.replaceAll("\n", "\r\n") : formatted;
    if (meaning(formatted) !== meaning(source)) throw leftAsItIs(file, "more than white space would change");
    before = formatted;
  }
  throw leftAsItIs(file, "formatted twice it would look different");
}

const leftAsItIs = (place: string, why: string, cause?: unknown): UserError =>
  new UserError(`${place} is left as it is: ${why}.`, { cause });

function formatOnce(source: string, file: string): string {
  const parts: string[] = [];
  let sql: Token[] = [];
  let at = 0;
  for (const token of tokensOf(source)) {
    at += token.text.length;
    if (token.kind !== "block") {
      sql.push(token);
      continue;
    }
    if (!token.text.endsWith("}")) throw leftAsItIs(file, "a block has no closing brace");
    const before = source.slice(0, at - token.text.length);
    parts.push(formatTokens(sql, before, file), token.text);
    sql = [];
  }
  parts.push(formatTokens(sql, source, file));
  const text = parts.filter((part) => part !== "").join("\n\n");
  return text === "" ? "" : `${text}\n`;
}

/**
 * Formats the tokens at the end of a text with the formatter of SQL, which sees names in the place of what is not SQL
 * and of what it would lay out anew.
 */
function formatTokens(tokens: readonly Token[], text: string, file: string): string {
  const kept: string[] = [];
  const prepared = tokens.map(({ kind, text }) => {
    const isMultiline = text.includes("\n");
    if (kind === "expression") return `__kept_${kept.push(text) - 1}__`;
    if (kind === "quoted" && (isMultiline || /\$\{|\\|^\w*("""|''')/.test(text)))
      return `'__kept_${kept.push(text) - 1}__'`;
    if (kind === "comment" && isMultiline) return `/*__kept_${kept.push(text) - 1}__*/`;
    return text;
  });
  try {
    const formatted = format(prepared.join(""), {
      language: "bigquery",
      tabWidth: 2,
      linesBetweenQueries: 1,
      expressionWidth: 100,
    });
    const name = /(?:'|\/\*)__kept_(\d+)__(?:'|\*\/)|__kept_(\d+)__/g;
    return formatted.replace(name, (_, one, other) => kept[Number(one ?? other)]!).trim();
  } catch (error) {
    const [, why = "", line, column] =
      /^(.*?)(?: at line (\d+) column (\d+)\.?)?$/m.exec((error as Error).message) ?? [];
    if (line === undefined) throw leftAsItIs(file, why, error);
    const lines = prepared.join("").split("\n");
    let left = lines.slice(0, Number(line) - 1).join("\n").length + Number(column) - (line === "1" ? 1 : 0);
    let at = text.length - tokens.reduce((sum, token) => sum + token.text.length, 0);
    for (let index = 0; index < tokens.length && left >= prepared[index]!.length; index += 1) {
      left -= prepared[index]!.length;
      at += tokens[index]!.text.length;
    }
    const position = positionOf(text, at);
    throw leftAsItIs(`${file}:${position.line}:${position.column}`, why.split("\n")[0]!, error);
  }
}

/** What must not change: all tokens, and which of them stand together without white space between them. */
function meaning(source: string): string {
  const isName = ({ kind, text }: Token): boolean => kind === "expression" || /^[\w@]/.test(text);
  return tokensOf(source)
    .map((token, index, all) => {
      if (token.kind === "space") return "";
      const previous = all[index - 1];
      const isGlued = previous !== undefined && isName(previous) && isName(token);
      return `${isGlued ? "" : "\n"}${token.kind === "comment" ? token.text.trimEnd() : token.text}`;
    })
    .join("");
}
