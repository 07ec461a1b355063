import { QueryError } from "./query.ts";
import {
  columnIdsIn,
  conditionsOf,
  hasTable,
  idOf,
  isEqualityBetween,
  type Node,
  nodesOf,
  placeOf,
} from "./resolved-tree.ts";

/**
 * An error for a subquery that BigQuery refuses with "Correlated subqueries that reference other tables are not supported
 * unless they can be de-correlated, such as by transforming them into an efficient JOIN", or as a semi join without an
 * equality. The analyzer and DuckDB accept it. Found are subqueries that read a table and a column of the outer query, and
 * - compare outer columns in WHERE or ON, but none with an inner column by `=` joined by AND; or
 * - have LIMIT or OFFSET. EXISTS is excluded: it needs one row only.
 *
 * Sources: hasura/graphql-engine#8905 and #8562, all-of-us/curation#1136.
 */
export function correlatedSubqueryError(query: string, statement: Node): QueryError | undefined {
  for (const [field, node] of nodesOf(statement)) {
    if (field !== "resolved_subquery_expr_node" || !hasTable(node.subquery)) continue;
    const outer = new Set(((node.parameter_list ?? []) as Node[]).map(({ column }) => idOf(column)));
    if (outer.size === 0) continue;
    const why = reasonOf(node, (id) => outer.has(id));
    if (why === undefined) continue;
    const message = `BigQuery refuses this correlated subquery: ${why} (correlated-subquery)`;
    return new QueryError(message, placeOf(query, node));
  }
  return undefined;
}

function reasonOf({ subquery, subquery_type }: Node, isOuter: (id: string) => boolean): string | undefined {
  const hasLimit = [...nodesOf(subquery)].some(([field]) => field === "resolved_limit_offset_scan_node");
  if (hasLimit && subquery_type !== "EXISTS")
    return "it has LIMIT or OFFSET. Use an aggregate such as MAX or ARRAY_AGG(… LIMIT 1)[SAFE_OFFSET(0)], or a join";
  // The value of x IN (SELECT …) is compared by equality.
  if (["IN", "LIKE_ANY", "LIKE_ALL"].includes(String(subquery_type))) return undefined;
  const correlated = conditionsOf(subquery).filter((condition) => columnIdsIn(condition).some(isOuter));
  const hasEquality = correlated.some((condition) =>
    isEqualityBetween(condition, isOuter, (id) => !isOuter(id)),
  );
  return correlated.length === 0 || hasEquality
    ? undefined
    : "no condition is an equality of a column of the outer query and a column of the subquery. Add one, or use a join";
}
