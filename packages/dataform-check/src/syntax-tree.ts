import { QueryError } from "../../../contracts/warehouse.ts";
import { positionOf } from "./googlesql-to-duckdb.ts";

/** A node of the parser's syntax tree: an object of one field, its kind, with an object of its parts. */
export type Parts = Readonly<Record<string, unknown>>;

/** A word, string or sign of the query, with the comments that stand by it. */
export interface SqlToken {
  readonly type: string;
  readonly text: string;
  /** Offset in the query. */
  readonly at: number;
  readonly comments: readonly string[];
}

/** A token as the parser gives it, which is not as its types say. */
interface ReadToken {
  readonly token_type: string;
  readonly text: string;
  readonly span: { readonly start: number };
  readonly comments: readonly string[];
  readonly trailing_comments: readonly string[];
}

/** The query's syntax tree and tokens. Throws QueryError with the place when it is no GoogleSQL. */
export async function readQuery(query: string): Promise<{ tree: unknown; tokens: SqlToken[] }> {
  const { Dialect, parse, tokenize } = await import("@polyglot-sql/sdk");
  const parsed = parse(query, Dialect.BigQuery);
  const read = tokenize(query, Dialect.BigQuery);
  if (parsed.ast?.length !== 1 || !read.tokens) {
    const { error, errorStart } = parsed.error ? parsed : read;
    throw new QueryError(error ?? "it is not one statement", positionOf(query, errorStart ?? 0));
  }
  const offset = offsets(query);
  return {
    tree: parsed.ast[0],
    tokens: (read.tokens as unknown as ReadToken[]).map((token) => ({
      type: token.token_type,
      text: token.text,
      at: offset(token.span.start),
      comments: [...token.comments, ...token.trailing_comments],
    })),
  };
}

/** The parts of a node that is of this kind. */
export function partsOf(node: unknown, kind: string): Parts | undefined {
  const parts = (node as Parts | null | undefined)?.[kind];
  return typeof parts === "object" && parts !== null ? (parts as Parts) : undefined;
}

/** The parts of all nodes of a kind in a tree, outer ones first. */
export function nodesOf(tree: unknown, kind: string): Parts[] {
  if (typeof tree !== "object" || tree === null) return [];
  const own = Array.isArray(tree) ? undefined : partsOf(tree, kind);
  return [...(own === undefined ? [] : [own]), ...Object.values(tree).flatMap((part) => nodesOf(part, kind))];
}

export const listOf = (parts: Parts | undefined, name: string): unknown[] => {
  const list = parts?.[name];
  return Array.isArray(list) ? list : [];
};

/** The name in an identifier; undefined where there is none. */
export const nameOf = (identifier: unknown): string | undefined =>
  (identifier as { name?: string } | null | undefined)?.name;

/** Where an identifier or column is in the query, in characters of Unicode. */
export const startOf = (node: unknown): number =>
  (node as { span?: { start: number } } | null | undefined)?.span?.start ?? 0;

/** The parser counts characters of Unicode, JavaScript counts UTF-16 units. */
export function offsets(query: string): (characters: number) => number {
  if (!/[\ud800-\udfff]/.test(query)) return (characters) => characters;
  const units = Array.from(query, (character) => character.length);
  return (characters) => units.slice(0, characters).reduce((sum, length) => sum + length, 0);
}
