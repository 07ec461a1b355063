import { format } from "sql-formatter";
import { positionOf } from "./query.ts";
import { type Token, tokensOf } from "./sqlx-tokens.ts";
import { UserError } from "./user-error.ts";

/**
 * Formats the SQL of a .sql or .sqlx file. Blocks of .sqlx, comments, strings, types with fields and ${…} do not change.
 * Formatting the result again changes nothing.
 * @throws UserError when the SQL can't be read, or when anything but white space would change. Keep the file then.
 */
export function formatSql(text: string, file: string): string {
  const isCrlf = text.includes("\r\n");
  const source = isCrlf ? text.replaceAll("\r\n", "\n") : text;
  if (isCrlf && source.replaceAll("\n", "\r\n") !== text) throw notFormatted(file, "it mixes line endings");
  let before = source;
  // The library can need several rounds until its result formats to itself.
  for (let round = 0; round < 4; round += 1) {
    const formatted = formatOnce(before, file);
    if (formatted === before) return isCrlf ? formatted.replaceAll("\n", "\r\n") : formatted;
    if (meaning(formatted) !== meaning(source))
      throw notFormatted(file, "more than white space would change");
    before = formatted;
  }
  throw notFormatted(file, "each formatting gives another result");
}

const notFormatted = (place: string, why: string, cause?: unknown): UserError =>
  new UserError(`${place} is not formatted: ${why}.`, { cause });

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
    if (!token.text.endsWith("}")) throw notFormatted(file, "a block has no closing brace");
    const before = source.slice(0, at - token.text.length);
    parts.push(formatTokens(sql, before, file), token.text);
    sql = [];
  }
  parts.push(formatTokens(sql, source, file));
  const text = parts.filter((part) => part !== "").join("\n\n");
  return text === "" ? "" : `${text}\n`;
}

/** Formats the tokens at the end of a text. The library sees a name instead of everything that must not change. */
function formatTokens(tokens: readonly Token[], text: string, file: string): string {
  const kept: string[] = [];
  const prepared = tokens.map(({ kind, text }) => {
    const isMultiline = text.includes("\n");
    const isKept = kind === "word" && text.length > 2 && /[<-]/.test(text);
    // A lambda's arrow gets white space on both sides, like an operator.
    if (text === "->") return ` __kept_${kept.push(text) - 1}__ `;
    if (kind === "expression" || isKept) return `__kept_${kept.push(text) - 1}__`;
    if (kind === "quoted" && (isMultiline || /\$\{|\\|^\w*("""|''')/.test(text)))
      return `'__kept_${kept.push(text) - 1}__'`;
    if (kind === "comment" && isMultiline) return `/*__kept_${kept.push(text) - 1}__*/`;
    return text;
  });
  const pipe = tokens.findIndex((token) => token.text === "|>");
  if (pipe >= 0) {
    const { line, column } = positionOf(text, offsetOf(tokens, pipe, text));
    throw notFormatted(`${file}:${line}:${column}`, "pipe syntax is not supported");
  }
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
    if (line === undefined) throw notFormatted(file, why, error);
    const lines = prepared.join("").split("\n");
    let left = lines.slice(0, Number(line) - 1).join("\n").length + Number(column) - (line === "1" ? 1 : 0);
    let index = 0;
    for (; index < tokens.length && left >= prepared[index]!.length; index += 1)
      left -= prepared[index]!.length;
    const position = positionOf(text, offsetOf(tokens, index, text));
    throw notFormatted(`${file}:${position.line}:${position.column}`, why.split("\n")[0]!, error);
  }
}

/** The offset of a token among the tokens at the end of a text. */
const offsetOf = (tokens: readonly Token[], index: number, text: string): number =>
  text.length - tokens.slice(index).reduce((sum, token) => sum + token.text.length, 0);

/** What must not change: the sequence of tokens, and which of them have no white space between them. */
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
