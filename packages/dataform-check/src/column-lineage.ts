import type { Analysis } from "./googlesql-analyzer.ts";

/** A column of a query's result, and what it is made of. */
export interface ColumnLineage {
  readonly name: string;
  readonly type: string;
  /** What it is computed by, as written; absent when it is handed on as it is. */
  readonly expression?: string;
  readonly inputs: readonly ColumnInput[];
}

/** A column of a table that counts for the value of another, through the expressions between, the last one first. */
export interface ColumnInput {
  /** project.dataset.name */
  readonly table: string;
  readonly column: string;
  readonly through: readonly string[];
}

/** A node of the resolved tree: its fields, among them other nodes. */
type Fields = Readonly<Record<string, unknown>>;

/** Where a column inside of the query comes from. */
interface Origin {
  readonly expression?: string;
  readonly from: readonly string[];
}

/**
 * What each column of a query is made of, from the analyzer's resolved tree of it: through CTEs, joins, groups, windows
 * and set operations down to the tables' columns. What only decides which rows there are (filters, join conditions) is
 * not in a column's value.
 */
export function columnLineage(query: string, { columns, statement }: Analysis): ColumnLineage[] {
  const bytes = Buffer.from(query);
  const origins = new Map<string, Origin>();
  const tables = new Map<string, Pick<ColumnInput, "table" | "column">>();
  const subqueries = new Map<string, readonly string[]>();

  const add = (id: string, origin: Origin): void => {
    const known = origins.get(id);
    const expression = known?.expression ?? origin.expression;
    origins.set(id, {
      ...(expression === undefined ? {} : { expression }),
      from: [...(known?.from ?? []), ...origin.from],
    });
  };
  for (const [kind, node] of nodesOf(statement)) {
    if (kind === "resolved_table_scan_node") {
      const table = String((node.table as Fields).full_name);
      for (const column of columnsOf(node)) tables.set(idOf(column), { table, column: String(column.name) });
    } else if (kind === "with_entry_list") {
      subqueries.set(String(node.with_query_name), columnsOf(scanOf(node.with_subquery)).map(idOf));
    } else if (kind === "resolved_set_operation_scan_node") {
      for (const item of node.input_item_list as { output_column_list: Fields[] }[]) {
        for (const [index, column] of columnsOf(node).entries())
          add(idOf(column), { from: [idOf(item.output_column_list[index]!)] });
      }
    } else if (kind === "resolved_array_scan_node") {
      add(idOf(node.element_column), { from: refsIn(node.array_expr) });
    } else if (kind === "function_group_list") {
      for (const call of node.analytic_function_list as Fields[])
        add(idOf(call.column), windowOrigin(bytes, node, call));
    }
    if (isComputed(node) && kind !== "analytic_function_list") {
      const isHandedOn = (node.expr as Fields).resolved_column_ref_node !== undefined;
      const expression = isHandedOn ? undefined : textOf(bytes, node.expr);
      add(idOf(node.column), {
        ...(expression === undefined ? {} : { expression }),
        from: refsIn(node.expr),
      });
    }
  }
  for (const [kind, node] of nodesOf(statement)) {
    if (kind !== "resolved_with_ref_scan_node") continue;
    const inner = subqueries.get(String(node.with_query_name)) ?? [];
    for (const [index, column] of columnsOf(node).entries()) add(idOf(column), { from: [inner[index]!] });
  }

  const inputsOf = (id: string, through: readonly string[], inputs: Map<string, ColumnInput>): void => {
    const table = tables.get(id);
    const { expression, from = [] } = origins.get(id) ?? {};
    const steps =
      expression === undefined || through.includes(expression) ? through : [...through, expression];
    if (table !== undefined) {
      const key = `${table.table}.${table.column}`;
      const known = inputs.get(key)?.through ?? [];
      inputs.set(key, { ...table, through: [...new Set([...known, ...steps])] });
    }
    for (const each of new Set(from)) inputsOf(each, steps, inputs);
  };
  const outputs = statement.output_column_list as { column: Fields }[];
  return columns.map(({ name, type }, index) => {
    const inputs = new Map<string, ColumnInput>();
    const id = idOf(outputs[index]!.column);
    inputsOf(id, [], inputs);
    const expression = origins.get(id)?.expression;
    return { name, type, ...(expression === undefined ? {} : { expression }), inputs: [...inputs.values()] };
  });
}

/** Every node of a tree with the field that it is in, outer ones first. */
function* nodesOf(tree: unknown, field = ""): Generator<[string, Fields]> {
  if (typeof tree !== "object" || tree === null) return;
  if (!Array.isArray(tree)) yield [field, tree as Fields];
  for (const [name, part] of Object.entries(tree)) yield* nodesOf(part, Array.isArray(tree) ? field : name);
}

const idOf = (column: unknown): string => String((column as Fields).column_id);

const isComputed = (node: Fields): boolean =>
  (node.column as Fields | null)?.column_id !== undefined &&
  typeof node.expr === "object" &&
  node.expr !== null;

/** The fields of the scan in a wrapper of any depth: the first that has columns. */
function scanOf(wrapper: unknown): Fields {
  for (const [, node] of nodesOf(wrapper)) if (columnsOf(node).length > 0) return node;
  return {};
}

/** The columns that a scan gives; they are in the part that all scans have. */
function columnsOf(scan: Fields): Fields[] {
  for (let node: Fields | undefined = scan; node; node = node.parent as Fields | undefined)
    if (Array.isArray(node.column_list)) return node.column_list;
  return [];
}

/** Ids of the columns that an expression names; of a subquery's, those of its result too. */
function refsIn(expression: unknown): string[] {
  return [...nodesOf(expression)].flatMap(([kind, node]) => {
    if (kind === "resolved_column_ref_node") return [idOf(node.column)];
    return kind === "resolved_subquery_expr_node" ? columnsOf(scanOf(node.subquery)).map(idOf) : [];
  });
}

/** A window function's value depends on what its rows are parted and ordered by, too; its text has no place in the tree. */
function windowOrigin(bytes: Buffer, { partition_by, order_by }: Fields, { expr }: Fields): Origin {
  const itemsOf = (part: unknown, list: string): Fields[] =>
    ((part as Fields | null)?.[list] ?? []) as Fields[];
  const parted = itemsOf(partition_by, "partition_by_list").map(({ column }) => column as Fields);
  const ordered = itemsOf(order_by, "order_by_item_list").map(({ column_ref, is_descending }) => ({
    ...((column_ref as Fields).column as Fields),
    sign: is_descending ? " DESC" : "",
  }));
  const [, call = {}] = [...nodesOf(expr)].find(([, node]) => node.function) ?? [];
  const args = ((call.argument_list ?? []) as unknown[]).map((each) => textOf(bytes, each) ?? "…");
  const name = String((call.function as Fields | undefined)?.name).replace(/^ZetaSQL:\$?/, "");
  const window = [
    ...(parted.length === 0 ? [] : [`PARTITION BY ${parted.map((column) => column.name).join(", ")}`]),
    ...(ordered.length === 0
      ? []
      : [`ORDER BY ${ordered.map((column) => `${(column as Fields).name}${column.sign}`).join(", ")}`]),
  ];
  return {
    expression: `${name.toUpperCase()}(${args.join(", ")}) OVER (${window.join(" ")})`,
    from: [...refsIn(expr), ...[...parted, ...ordered].map(idOf)],
  };
}

function textOf(bytes: Buffer, expression: unknown): string | undefined {
  for (const [kind, node] of nodesOf(expression)) {
    if (kind !== "parse_location_range") continue;
    const { start, end } = node as { start: number; end: number };
    return bytes.subarray(start, end).toString().replace(/\s+/g, " ");
  }
  return undefined;
}
