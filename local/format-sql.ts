import { format } from "sql-formatter";
import { Problem } from "../contracts/problem.ts";

/** Blocks of a .sqlx file that are not SQL, at the start of a line; they stay as they are. */
const BLOCK = /^(?:config|js|pre_operations|post_operations)\s*\{/m;

/**
 * Formats the SQL of a file and leaves config and js blocks, comments and ${…} as they are. Throws a Problem, so that
 * the file stays as it was, when the SQL can't be read or anything but white space would change.
 */
export function formatSql(text: string, file: string): string {
  const blocks: string[] = [];
  let sql = text;
  for (let match = BLOCK.exec(sql); match !== null; match = BLOCK.exec(sql)) {
    const end = endOfBlock(sql, match.index + match[0].length);
    blocks.push(sql.slice(match.index, end));
    sql = sql.slice(0, match.index) + sql.slice(end);
  }
  const expressions: string[] = [];
  const prepared = sql.replace(
    /\$\{(?:[^{}]|\{[^{}]*\})*\}/g,
    (expression) => `__expression_${expressions.push(expression) - 1}__`,
  );
  let formatted: string;
  try {
    formatted = format(prepared, {
      language: "bigquery",
      tabWidth: 2,
      linesBetweenQueries: 1,
      expressionWidth: 100,
    });
  } catch (error) {
    throw new Problem(`${file}: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
  formatted = formatted.replace(/__expression_(\d+)__/g, (_, index: string) => expressions[Number(index)]!);
  const result = `${[...blocks, formatted.trim()].filter((part) => part !== "").join("\n\n")}\n`;
  if (bare(result) !== bare(blocks.join("") + sql)) {
    throw new Problem(
      `${file}: it can't be formatted without changing more than white space, so it was left as it is.`,
    );
  }
  return result;
}

const bare = (text: string): string => text.replace(/\s+/g, "");

/** Offset after the brace that closes the block; braces in strings and comments do not count. */
function endOfBlock(text: string, start: number): number {
  const token = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|[{}]/g;
  token.lastIndex = start;
  let depth = 1;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    depth += match[0] === "{" ? 1 : match[0] === "}" ? -1 : 0;
    if (depth === 0) return token.lastIndex;
  }
  throw new Problem("A block of the file has no closing brace.");
}
