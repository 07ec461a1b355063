import type { Analysis } from "./googlesql-analyzer.ts";
import { columnIdsIn, columnsOf, functionName, idOf, type Node, nodesOf, rangeOf } from "./resolved-tree.ts";

/** A column of a query's result with the columns that it is computed from. */
export interface ColumnLineage {
  readonly name: string;
  readonly type: string;
  /** The expression as written; absent when the column is passed on unchanged. */
  readonly expression?: string;
  readonly inputs: readonly ColumnInput[];
}

/** A column of a table that a value depends on, with the expressions between, the outermost first. */
export interface ColumnInput {
  /** project.dataset.name */
  readonly table: string;
  readonly column: string;
  readonly through: readonly string[];
}

/** Where a column inside a query comes from. */
interface Origin {
  readonly expression: string | undefined;
  readonly from: readonly string[];
}

/**
 * What each column of a query is computed from: through CTEs, joins, groups, windows and set operations down to the
 * columns of tables. Filters and join conditions only select rows and do not count.
 */
export function columnLineage(query: string, { columns, statement }: Analysis): ColumnLineage[] {
  const bytes = Buffer.from(query);
  const origins = new Map<string, Origin>();
  const tables = new Map<string, Pick<ColumnInput, "table" | "column">>();
  const add = (column: unknown, expression: string | undefined, from: readonly string[]): void => {
    const known = origins.get(idOf(column));
    origins.set(idOf(column), {
      expression: known?.expression ?? expression,
      from: [...(known?.from ?? []), ...from],
    });
  };
  const nodes = [...nodesOf(statement)];
  const subqueries = new Map(
    nodes
      .filter(([field]) => field === "with_entry_list")
      .map(([, entry]) => [entry.with_query_name, columnsOf(entry.with_subquery).map(idOf)]),
  );
  for (const [field, node] of nodes) {
    if (field === "resolved_table_scan_node") {
      const table = String((node.table as Node).full_name);
      for (const column of columnsOf(node)) tables.set(idOf(column), { table, column: String(column.name) });
    } else if (field === "resolved_with_ref_scan_node") {
      const inner = subqueries.get(node.with_query_name) ?? [];
      for (const [index, column] of columnsOf(node).entries()) add(column, undefined, [inner[index]!]);
    } else if (field === "resolved_set_operation_scan_node") {
      for (const item of node.input_item_list as { output_column_list: Node[] }[])
        for (const [index, column] of columnsOf(node).entries())
          add(column, undefined, [idOf(item.output_column_list[index])]);
    } else if (field === "resolved_array_scan_node" && node.element_column) {
      add(node.element_column, undefined, columnIdsIn(node.array_expr));
    } else if (field === "function_group_list") {
      for (const call of node.analytic_function_list as Node[]) {
        const { expression, from } = windowOrigin(bytes, node, call);
        add(call.column, expression, from);
      }
    } else if (field !== "analytic_function_list" && (node.column as Node)?.column_id && node.expr) {
      const isPassedOn = (node.expr as Node).resolved_column_ref_node !== undefined;
      add(node.column, isPassedOn ? undefined : textOf(bytes, node.expr), columnIdsIn(node.expr));
    }
  }

  const collect = (id: string, through: readonly string[], inputs: Map<string, ColumnInput>): void => {
    const { expression, from = [] } = origins.get(id) ?? {};
    const steps =
      expression === undefined || through.includes(expression) ? through : [...through, expression];
    const source = tables.get(id);
    if (source !== undefined) {
      const key = `${source.table}.${source.column}`;
      inputs.set(key, { ...source, through: [...new Set([...(inputs.get(key)?.through ?? []), ...steps])] });
    }
    for (const each of new Set(from)) collect(each, steps, inputs);
  };
  const outputs = statement.output_column_list as { column: Node }[];
  return columns.map(({ name, type }, index) => {
    const id = idOf(outputs[index]!.column);
    const expression = origins.get(id)?.expression;
    const inputs = new Map<string, ColumnInput>();
    collect(id, [], inputs);
    return { name, type, ...(expression === undefined ? {} : { expression }), inputs: [...inputs.values()] };
  });
}

/** The value of a window function also depends on PARTITION BY and ORDER BY; the tree has no place of its text. */
function windowOrigin(bytes: Buffer, group: Node, { expr }: Node): Origin {
  const list = (part: unknown, field: string): Node[] => ((part as Node | null)?.[field] ?? []) as Node[];
  const partition = list(group.partition_by, "partition_by_list").map(({ column }) => column as Node);
  const order = list(group.order_by, "order_by_item_list").map(({ column_ref, is_descending }) => ({
    column: (column_ref as Node).column as Node,
    direction: is_descending ? " DESC" : "",
  }));
  const [, call] = [...nodesOf(expr)].find(([, node]) => node.function)!;
  const args = ((call.argument_list ?? []) as unknown[]).map((each) => textOf(bytes, each) ?? "…");
  const clause = (words: string, names: string[]) => names.length > 0 && `${words} ${names.join(", ")}`;
  const window = [
    clause(
      "PARTITION BY",
      partition.map(({ name }) => String(name)),
    ),
    clause(
      "ORDER BY",
      order.map(({ column, direction }) => `${column.name}${direction}`),
    ),
  ].filter((text) => text !== false);
  const name = functionName(call)
    .replace(/^ZetaSQL:\$?/, "")
    .toUpperCase();
  return {
    expression: `${name}(${args.join(", ")}) OVER (${window.join(" ")})`,
    from: [...columnIdsIn(expr), ...partition.map(idOf), ...order.map(({ column }) => idOf(column))],
  };
}

function textOf(bytes: Buffer, expression: unknown): string | undefined {
  const range = rangeOf(expression);
  return range && bytes.toString("utf8", range.start, range.end).replace(/\s+/g, " ");
}
