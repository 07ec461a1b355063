import { type Position, positionOf } from "./query.ts";

/** A node of the analyzer's resolved tree as JSON: its fields, among them other nodes. */
export type Node = Readonly<Record<string, unknown>>;

/** Every node of a tree with the field that it is in, outer nodes first. */
export function* nodesOf(tree: unknown, field = ""): Generator<[field: string, node: Node]> {
  if (typeof tree !== "object" || tree === null) return;
  if (!Array.isArray(tree)) yield [field, tree as Node];
  for (const [name, part] of Object.entries(tree)) yield* nodesOf(part, Array.isArray(tree) ? field : name);
}

/** A field of a node or of the node that it extends. */
export function fieldOf(node: unknown, field: string): unknown {
  for (let each = node; typeof each === "object" && each !== null; each = (each as Node).parent)
    if (field in each) return (each as Node)[field];
  return undefined;
}

export const idOf = (column: unknown): string => String((column as Node).column_id);

/** The output columns of a scan; of a wrapper of a scan, the columns of the first scan in it. */
export function columnsOf(scan: unknown): readonly Node[] {
  for (const [, node] of nodesOf(scan)) {
    const list = fieldOf(node, "column_list");
    if (Array.isArray(list) && list.length > 0) return list;
  }
  return [];
}

/** Ids of the columns that an expression reads; for a subquery also the columns of its result. */
export function columnIdsIn(expression: unknown): string[] {
  return [...nodesOf(expression)].flatMap(([field, node]) => {
    if (field === "resolved_column_ref_node") return [idOf(node.column)];
    return field === "resolved_subquery_expr_node" ? columnsOf(node.subquery).map(idOf) : [];
  });
}

/** The function call that an expression is, without the wrappers of its kinds. */
export function callOf(expression: unknown): Node | undefined {
  for (let each = expression as Node | undefined; each !== undefined; ) {
    const call = "function" in each ? each : (each.parent as Node | undefined);
    if (call && "function" in call) return call;
    const kind = Object.keys(each).find((name) => /^resolved_function_call(_base)?_node$/.test(name));
    each = kind === undefined ? undefined : (each[kind] as Node);
  }
  return undefined;
}

export const functionName = (call: Node): string => (call.function as { name: string }).name;

/** The conditions that an expression joins with AND. */
export function conjunctsOf(expression: unknown): unknown[] {
  const call = callOf(expression);
  if (call === undefined || functionName(call) !== "ZetaSQL:$and") return [expression];
  return (call.argument_list as unknown[]).flatMap(conjunctsOf);
}

/** The conditions of all filters and joins in a tree, without AND. */
export const conditionsOf = (tree: unknown): unknown[] =>
  [...nodesOf(tree)].flatMap(([field, node]) =>
    conjunctsOf((field === "resolved_filter_scan_node" ? node.filter_expr : node.join_expr) ?? undefined),
  );

/** Whether a condition compares, by =, columns of one kind with columns of another kind. */
export function isEqualityBetween(
  condition: unknown,
  isOne: (id: string) => boolean,
  isOther: (id: string) => boolean,
): boolean {
  const call = callOf(condition ?? undefined);
  if (call === undefined || functionName(call) !== "ZetaSQL:$equal") return false;
  const [left = [], right = []] = (call.argument_list as unknown[]).map(columnIdsIn);
  const areOnly = (ids: string[], is: typeof isOne, isNot: typeof isOne): boolean =>
    ids.some(is) && !ids.some(isNot);
  return (
    (areOnly(left, isOne, isOther) && areOnly(right, isOther, isOne)) ||
    (areOnly(left, isOther, isOne) && areOnly(right, isOne, isOther))
  );
}

/** Whether a tree reads a table, a view or a WITH query; UNNEST is none. */
export const hasTable = (tree: unknown): boolean =>
  [...nodesOf(tree)].some(([field]) => /^resolved_(table|with_ref)_scan_node$/.test(field));

/** Where an expression or scan is in the query, in bytes; the wrappers of its kinds have no place. */
export function rangeOf(node: unknown): { start: number; end: number } | undefined {
  for (const [field, each] of nodesOf(node))
    if (field === "parse_location_range") return each as unknown as { start: number; end: number };
  return undefined;
}

/** Where an expression or scan starts in the query. */
export function placeOf(query: string, node: unknown): Position | undefined {
  const at = rangeOf(node)?.start;
  return at === undefined ? undefined : positionOfByte(query, at);
}

/** The position of a byte offset: the tree counts UTF-8, positions count UTF-16. */
export const positionOfByte = (query: string, byte: number): Position =>
  positionOf(query, Buffer.from(query).toString("utf8", 0, byte).length);
