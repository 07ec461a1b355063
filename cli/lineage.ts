import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { fileArtifacts } from "../adapters/artifacts.ts";
import { formatError, UserError } from "../lib/user-error.ts";
import { listen, sqlDir } from "../local/runtime/local-stack.ts";
import { SqlChecker } from "../packages/dataform-check/src/checker.ts";
import { compile } from "../packages/dataform-check/src/dataform.ts";
import { lineageDocument, pageScript } from "../packages/dataform-check/src/lineage/document.ts";
import { lineageTables } from "../packages/dataform-check/src/lineage/tables.ts";
import { localCommand, portOption, runCommand } from "./command.ts";

/** npm run lineage: what every table and column is made of, as a page; the project is compiled anew at every look. */
const options = localCommand(
  "run lineage",
  "Serves the lineage of the SQL project's tables and columns on 127.0.0.1.",
)
  .option("--port <port>", "port", portOption, 8080)
  .option("--json", "prints tables, columns and what they are made of as JSON, and ends", false)
  .option("--export <file>", "writes the page as one HTML file, and ends")
  .option("--sql-dir <dir>", "folder of the Dataform project", sqlDir)
  .parse()
  .opts<{ port: number; json: boolean; export?: string; sqlDir: string }>();

await runCommand(async () => {
  const checker = await SqlChecker.start(options.sqlDir);
  const tables = () => lineageTables(compile(options.sqlDir), checker);
  if (options.json || options.export !== undefined) {
    try {
      if (options.json) process.stdout.write(`${JSON.stringify({ tables: await tables() }, null, 2)}\n`);
      if (options.export !== undefined)
        await write(options.export, lineageDocument(await tables(), await pageScript()));
    } finally {
      await checker.close();
    }
    return;
  }
  const script = await pageScript();
  const server = createServer(async (_, response) => {
    try {
      const page = lineageDocument(await tables(), script);
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
    } catch (error) {
      response.writeHead(500, { "content-type": "text/plain; charset=utf-8" }).end(formatError(error));
    }
  });
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`The lineage is on http://127.0.0.1:${port}; end with Ctrl-C.\n`);
});

async function write(file: string, page: string): Promise<void> {
  await fileArtifacts.write(pathToFileURL(file).href, page).catch((error: Error) => {
    throw new UserError(`--export ${file} can't be written: ${error.message}`, { cause: error });
  });
  process.stderr.write(`${file} has the lineage.\n`);
}
