import { QueryError } from "./query.ts";
import {
  callOf,
  columnIdsIn,
  columnsOf,
  conjunctsOf,
  functionName,
  idOf,
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
  /** Whether the condition reads no column, as in ON TRUE. */
  readonly isConstant: boolean;
  /** Where the keyword is, in bytes. */
  readonly at: number;
}

export function joinsOf(statement: Node, query: string): Join[] {
  const bytes = Buffer.from(query);
  return [...nodesOf(statement)].flatMap(([field, node]) => {
    if (field !== "resolved_join_scan_node") return [];
    const sides = [node.left_scan, node.right_scan].map((scan) => new Set(columnsOf(scan).map(idOf)));
    const isOf = (side: number, expression: unknown): boolean =>
      columnIdsIn(expression).some((id) => sides[side]!.has(id));
    const { start: at, end } = rangeOf(node.parent) ?? { start: 0, end: 0 };
    const keyword = bytes.toString("utf8", at, end);
    return [
      {
        type: node.join_type as Join["type"],
        isComma: keyword === ",",
        isCross: /^cross/i.test(keyword),
        hasKey: isOf(0, node.join_expr) && isOf(1, node.join_expr),
        hasEquality: conjunctsOf(node.join_expr).some((condition) => {
          const call = callOf(condition ?? undefined);
          if (call === undefined || functionName(call) !== "ZetaSQL:$equal") return false;
          const [one, other] = call.argument_list as unknown[];
          const pairs = (left: unknown, right: unknown): boolean =>
            isOf(0, left) && !isOf(1, left) && isOf(1, right) && !isOf(0, right);
          return pairs(one, other) || pairs(other, one);
        }),
        isConstant: columnIdsIn(node.join_expr).length === 0,
        at,
      },
    ];
  });
}

/**
 * An error for an outer join that BigQuery refuses with "LEFT OUTER JOIN cannot be used without a condition that is an
 * equality of fields from both sides of the join", and that the analyzer and DuckDB accept. BigQuery accepts constants.
 */
export function outerJoinError(query: string, statement: Node): QueryError | undefined {
  const wrong = joinsOf(statement, query).find(
    ({ type, hasEquality, isConstant }) => type !== "INNER" && !hasEquality && !isConstant,
  );
  if (wrong === undefined) return undefined;
  return new QueryError(
    `BigQuery refuses a ${wrong.type} JOIN whose condition has no equality of columns of both sides. Add one, or use CROSS JOIN and a condition in WHERE or COUNTIF (outer-join-equality)`,
    positionOfByte(query, wrong.at),
  );
}
