import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { quotedString } from "@duckdb/node-api";
import type { DuckDbWarehouse } from "../../adapters/duckdb.ts";
import { UserError } from "../../lib/user-error.ts";

const MARTS = ["rfm", "rfm_segments"];
const FORMATS = { parquet: "FORMAT parquet, COMPRESSION zstd", csv: "FORMAT csv, HEADER" };

/**
 * Writes the run date's rows of the marts as Parquet and CSV and returns the paths. A file is complete or not there.
 * @throws UserError when a file can't be written.
 */
export async function exportMarts(
  warehouse: DuckDbWarehouse,
  runDate: string,
  dir: string,
): Promise<string[]> {
  const paths: string[] = [];
  for (const mart of MARTS) {
    for (const [extension, format] of Object.entries(FORMATS)) {
      const path = join(dir, `${mart}.${extension}`);
      const temporary = `${path}.part`;
      const rows = `SELECT * FROM mlops_mkt.${mart} WHERE run_date = DATE '${runDate}' ORDER BY ALL`;
      try {
        await warehouse.withConnection((connection) =>
          connection.run(`COPY (${rows}) TO ${quotedString(temporary)} (${format})`),
        );
        renameSync(temporary, path);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw new UserError(`${path} can't be written: ${(error as Error).message}`, {
          remedy:
            "Free some space, or choose another folder with --export. The tables and the report are complete.",
          cause: error,
        });
      }
      paths.push(path);
    }
  }
  return paths;
}
