/** For node --import: a DuckDB with a defect. It adds rows and deletes none. */
import { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { mapValues } from "../../lib/map-values.ts";

const { replaceRows } = DuckDbWarehouse.prototype;
DuckDbWarehouse.prototype.replaceRows = function (target, key, rows) {
  return replaceRows.call(
    this,
    target,
    mapValues(key, () => "no row has it"),
    rows,
  );
};
