import { runProgram } from "dataform-check/program";
import { sqlDir } from "../lib/project.ts";
import { sqlConfig } from "./sql-config.ts";

/** npm run check:sql, lint:sql, format, lineage and tables: dataform-check on sql/. */
await runProgram({ name: "npm run … --", sqlDir, config: sqlConfig });
