import { QueryError } from "./query.ts";
import {
  columnIdsIn,
  columnsOf,
  conjunctsOf,
  hasTable,
  idOf,
  isEqualityBetween,
  type Node,
  nodesOf,
  positionOfByte,
  rangeOf,
} from "./resolved-tree.ts";

/** A join of two tables or subqueries. UNNEST is not among them. */
export interface Join {
  readonly type: "INNER" | "LEFT" | "RIGHT" | "FULL";
  readonly isComma: boolean;
  readonly isCross: boolean;
  /** Whether the condition reads columns of both sides. */
  readonly hasKey: boolean;
  /** Whether the condition has, joined by AND, an equality of columns of both sides. */
  readonly hasEquality: boolean;
  /** Whether the condition has a subquery that reads a table. */
  readonly hasSubquery: boolean;
  /** Whether the condition reads no column, as in ON TRUE. */
  readonly isConstant: boolean;
  /** Where the keyword is, in bytes. */
  readonly at: number;
}

export function joinsOf(statement: Node | undefined, query: string): Join[] {
  const bytes = Buffer.from(query);
  return [...nodesOf(statement)].flatMap(([field, node]) => {
    if (field !== "resolved_join_scan_node") return [];
    const sides = [node.left_scan, node.right_scan].map((scan) => new Set(columnsOf(scan).map(idOf)));
    const isOf = (side: number) => (id: string) => sides[side]!.has(id);
    const ids = columnIdsIn(node.join_expr);
    const { start: at, end } = rangeOf(node.parent) ?? { start: 0, end: 0 };
    const keyword = bytes.toString("utf8", at, end);
    return [
      {
        type: node.join_type as Join["type"],
        isComma: keyword === ",",
        isCross: /^cross/i.test(keyword),
        hasKey: ids.some(isOf(0)) && ids.some(isOf(1)),
        hasEquality: conjunctsOf(node.join_expr).some((each) => isEqualityBetween(each, isOf(0), isOf(1))),
        hasSubquery: [...nodesOf(node.join_expr)].some(
          ([kind, each]) => kind === "resolved_subquery_expr_node" && hasTable(each.subquery),
        ),
        isConstant: ids.length === 0,
        at,
      },
    ];
  });
}

/**
 * An error for a join that BigQuery refuses, and that the analyzer and DuckDB accept:
 * - "LEFT OUTER JOIN cannot be used without a condition that is an equality of fields from both sides of the join". It
 *   accepts constants. Source: trilogy-data/pytrilogy#649, OHDSI/Achilles#532.
 * - "Unsupported subquery with table in join predicate". Source: spiceai/spiceai#9954, apache/datafusion#21694.
 */
export function joinError(query: string, statement: Node): QueryError | undefined {
  for (const { type, hasEquality, hasSubquery, isConstant, at } of joinsOf(statement, query)) {
    if (hasSubquery)
      return new QueryError(
        "BigQuery refuses a subquery that reads a table in the condition of a join. Use another join, or a condition in WHERE (join-subquery)",
        positionOfByte(query, at),
      );
    if (type !== "INNER" && !hasEquality && !isConstant)
      return new QueryError(
        `BigQuery refuses a ${type} JOIN whose condition has no equality of columns of both sides. Add one, or use CROSS JOIN and a condition in WHERE or COUNTIF (outer-join-equality)`,
        positionOfByte(query, at),
      );
  }
  return undefined;
}
