import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type DuckDBConnection, quotedString } from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";

/** A file with rows and named columns. */
export interface OrderFile {
  /** In the file's order, with DuckDB's type: VARCHAR for everything in a CSV file. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Makes the temporary table from the SELECT list, in which the columns are c0, c1, …; throws a UserError. */
  copyInto(temporaryTable: string, selectList: string): Promise<void>;
}

const remedy =
  "Give a CSV file (UTF-8 or Latin-1, its first line names the columns), the same as .csv.gz, or Parquet; save a workbook as CSV first.";
const headBytes = 65_536;

/** Recognises CSV, gzipped CSV and Parquet by their content; throws a UserError when the file is none of them. */
export async function openOrderFile(connection: DuckDBConnection, path: string): Promise<OrderFile> {
  const head = await readHead(path);
  const literal = quotedString(globEscaped(resolve(path)));
  if (head.subarray(0, 4).toString("latin1") === "PAR1") {
    return await openParquet(connection, path, `read_parquet(${literal}, binary_as_string = true)`);
  }
  const gzipped = head[0] === 0x1f && head[1] === 0x8b;
  const start = gzipped ? await gunzipHead(path) : head;
  if (start.length === 0) throw new UserError(`${path} is empty.`, { remedy });
  if (start.some((byte) => byte < 9 || (byte > 13 && byte < 32))) {
    throw new UserError(`${path} is a binary file, not a table of orders.`, { remedy });
  }
  return openCsv(connection, path, literal, start, gzipped);
}

async function readHead(path: string): Promise<Buffer> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new UserError(`${path} is a folder, not a file of orders.`, { remedy });
    if (!status.isFile()) throw new UserError(`${path} is not a regular file.`, { remedy });
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(headBytes) });
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      const looked = `Check the path; it was looked for at ${resolve(path)}.`;
      throw new UserError(`There is no file ${path}.`, { remedy: looked, cause: error });
    }
    throw new UserError(`${path} can't be read: ${(error as Error).message}.`, {
      remedy: "Check the path and that you may read the file.",
      cause: error,
    });
  }
}

/** Reads it all: DuckDB takes the first part of a cut gzip file for the whole, and checks no sum. */
async function gunzipHead(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    await pipeline(createReadStream(path), createGunzip(), async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) {
        if (length < headBytes) chunks.push(chunk);
        length += chunk.length;
      }
    });
  } catch (error) {
    throw new UserError(`${path} is a damaged or incomplete gzip file: ${(error as Error).message}.`, {
      remedy: "Copy or export the file again.",
      cause: error,
    });
  }
  return Buffer.concat(chunks);
}

async function openParquet(connection: DuckDBConnection, path: string, table: string): Promise<OrderFile> {
  const described = await wrapped(path, connection.runAndReadAll(`DESCRIBE FROM ${table}`));
  const columns = described
    .getRowObjects()
    .map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
  const names = columns.map((_, index) => `c${index}`).join(", ");
  return {
    columns,
    copyInto: async (name, select) => {
      const sql = `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select} FROM ${table} AS t(${names})`;
      await wrapped(path, connection.run(sql));
    },
  };
}

function openCsv(
  connection: DuckDBConnection,
  path: string,
  literal: string,
  start: Buffer,
  gzipped: boolean,
): OrderFile {
  const { names, delimiter } = parseHeader(start);
  if (names.every((name) => name === "")) {
    throw new UserError(`The first line of ${path} is empty; it must name the columns.`, { remedy });
  }
  const types = names.map((_, index) => `c${index}: 'VARCHAR'`).join(", ");
  const dialect = `auto_detect = false, header = true, delim = ${quotedString(delimiter)}, quote = '"', escape = '"', comment = ''`;
  const read = (select: string, encoding: string, padded: boolean): string =>
    `SELECT ${select} FROM read_csv(${literal}, ${dialect}, columns = {${types}}, encoding = '${encoding}', ` +
    `compression = '${gzipped ? "gzip" : "none"}', null_padding = ${padded}, parallel = ${!padded})`;
  return {
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    copyInto: async (name, select) => {
      let encoding = "utf-8";
      let padded = false;
      for (;;) {
        try {
          await connection.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${read(select, encoding, padded)}`);
          return;
        } catch (error) {
          const { message } = error as Error;
          if (encoding === "utf-8" && message.includes("not utf-8 encoded")) encoding = "latin-1";
          // A row that ends early keeps what it has; one with too many values fails again, as they may be shifted.
          else if (!padded && message.includes("Expected Number of Columns")) padded = true;
          else throw unreadable(path, error);
        }
      }
    },
  };
}

/**
 * Names of the columns and what separates them. The header tells it more surely than the rows, where a decimal
 * comma or a text may look like a delimiter.
 */
function parseHeader(start: Buffer): { names: string[]; delimiter: string } {
  const header = /^(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(decode(start))![0];
  const bare = header.replaceAll(/"(?:[^"]|"")*"/g, "");
  const count = (delimiter: string): number => bare.split(delimiter).length;
  const delimiter = [",", ";", "\t", "|"].reduce((best, next) => (count(next) > count(best) ? next : best));
  const field = new RegExp(`[${delimiter}]("(?:[^"]|"")*"|[^${delimiter}]*)`, "g");
  const names = [...(delimiter + header).matchAll(field)].map(([, name]) =>
    name!
      .trim()
      .replace(/^"(.*)"$/s, "$1")
      .replaceAll('""', '"')
      .trim(),
  );
  return { names, delimiter };
}

/** UTF-8 without its byte order mark, else Latin-1; the last character may be cut. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return bytes.toString("latin1");
  }
}

async function wrapped<T>(path: string, work: Promise<T>): Promise<T> {
  return await work.catch((error) => {
    throw unreadable(path, error);
  });
}

function unreadable(path: string, error: unknown): UserError {
  const [reason] = (error as Error).message.split(/\n\s*(?:Possible|LINE 1|file =)/);
  const lines = reason!.replace(/^[A-Z]\w*(?: \w+)* Error: /, "").split("\n");
  const sentence = lines
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("; ");
  return new UserError(`${path} can't be read as a table: ${sentence}`, {
    remedy: "Mend the file or export it again as CSV in UTF-8 or as Parquet.",
    cause: error,
  });
}

const globEscaped = (path: string): string => path.replaceAll(/[*?[]/g, "[$&]");
