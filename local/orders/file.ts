import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import {
  type DuckDBConnection,
  DuckDBStructType,
  type DuckDBType,
  quotedIdentifier,
  quotedString,
} from "@duckdb/node-api";
import { UserError } from "../../lib/user-error.ts";

/** A file with rows and named columns. */
export interface OrderFile {
  /** In the file's order, with DuckDB's type: VARCHAR for every column of a CSV file. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /**
   * Makes the temporary table from the SELECT list, in which the columns are c0, c1, … and t is the whole row.
   * @throws UserError when the file can't be read.
   */
  copyInto(temporaryTable: string, selectList: string): Promise<void>;
  /** Deletes temporary files. */
  [Symbol.dispose](): void;
}

const remedy =
  "Give a CSV file (its first line names the columns), JSON (an object for each order), the same with gzip, or Parquet. Save a workbook as CSV first.";

/**
 * Opens a CSV or JSON file, plain or gzipped, in UTF-8, UTF-16 or Windows-1252, or a Parquet file. The content
 * decides, not the name.
 * @throws UserError when the file is not one of them.
 */
export async function openOrderFile(connection: DuckDBConnection, path: string): Promise<OrderFile> {
  const head = await readHead(path);
  if (head.subarray(0, 4).toString("latin1") === "PAR1")
    return await openTyped(connection, path, "read_parquet", "binary_as_string = true");
  const gzipped = head[0] === 0x1f && head[1] === 0x8b;
  const folder = mkdtempSync(join(tmpdir(), "orders-"));
  const copy = join(folder, "orders.csv");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const converted = gzipped || utf16Of(head) !== undefined;
    if (converted) await writeUtf8(path, copy, gzipped);
    const start = converted ? await readHead(copy) : head;
    if (start.length === 0) throw new UserError(`${path} is empty.`, { remedy });
    if (start.some((byte) => byte < 9 || (byte > 13 && byte < 32)))
      throw new UserError(`${path} is a binary file, not a table of orders.`, { remedy });
    const text = decode(start);
    const source = converted ? copy : path;
    const opened = /^\s*(\[\s*)?\{/.test(text)
      ? await openJson(connection, path, source)
      : openCsv(connection, path, text, converted, copy);
    return { ...opened, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function readHead(path: string): Promise<Buffer> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new UserError(`${path} is a folder, not a file of orders.`, { remedy });
    if (!status.isFile()) throw new UserError(`${path} is not a regular file.`, { remedy });
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(65_536) });
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      const expected = `Check the path. The file was expected at ${resolve(path)}.`;
      throw new UserError(`There is no file ${path}.`, { remedy: expected, cause: error });
    }
    throw new UserError(`${path} can't be read: ${(error as Error).message}.`, {
      remedy: "Check the path and that you may read the file.",
      cause: error,
    });
  }
}

/** The encoding that a UTF-16 byte order mark names. */
function utf16Of(start: Uint8Array): string | undefined {
  if (start[0] === 0xff && start[1] === 0xfe) return "utf-16le";
  return start[0] === 0xfe && start[1] === 0xff ? "utf-16be" : undefined;
}

/**
 * Copies a text file as UTF-8. DuckDB has no Windows-1252, and it accepts an incomplete gzip file as complete.
 * @throws UserError when the gzip file is damaged or the copy can't be written.
 */
async function writeUtf8(path: string, target: string, gzipped: boolean): Promise<void> {
  const write = async (encoding: string) => {
    let decoder: TextDecoder | undefined;
    await pipeline(
      createReadStream(path),
      gzipped ? createGunzip() : new PassThrough(),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          decoder ??= new TextDecoder(utf16Of(chunk) ?? encoding, { fatal: true });
          yield decoder.decode(chunk, { stream: true });
        }
        yield decoder?.decode() ?? "";
      },
      createWriteStream(target),
    );
  };
  try {
    await write("utf-8").catch(async (error) => {
      if (error.code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw error;
      // Every byte is a character of Windows-1252, which includes Latin-1.
      await write("windows-1252");
    });
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (!code.startsWith("Z_"))
      throw new UserError(`${path} can't be converted to UTF-8: ${message}.`, {
        remedy: `Check that ${tmpdir()} has space left, or save the file as CSV in UTF-8.`,
        cause: error,
      });
    throw new UserError(`${path} is a damaged or incomplete gzip file: ${message}.`, {
      remedy: "Copy or export the file again.",
      cause: error,
    });
  }
}

/** A file whose columns have types. The fields of a STRUCT are columns, too: customer.id. */
async function openTyped(
  connection: DuckDBConnection,
  path: string,
  reader: "read_parquet" | "read_json",
  options: string,
  source = path,
): Promise<OrderFile> {
  const table = `${reader}(${fileLiteral(source)}, ${options})`;
  const described = await readable(path, connection.runAndReadAll(`FROM ${table} LIMIT 0`));
  const columns = described.columnNames().flatMap((name, index) => {
    const type = described.columnType(index);
    const path = quotedIdentifier(name);
    if (!(type instanceof DuckDBStructType)) return [{ name, type: nameOf(type), path }];
    return type.entryNames.map((field, i) => ({
      name: `${name}.${field}`,
      type: nameOf(type.entryTypes[i]!),
      path: `t.${path}.${quotedIdentifier(field)}`,
    }));
  });
  const values = columns.map((column, index) => `${column.path} AS c${index}`).join(", ");
  return {
    columns,
    copyInto: async (name, select) => {
      const sql = `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select} FROM (SELECT ${values} FROM ${table} AS t) AS t`;
      await readable(path, connection.run(sql));
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** A number of a JSON file that is not a whole one is kept as it is written: a DOUBLE would round a long id. */
const nameOf = (type: DuckDBType): string => (type.alias === "JSON" ? "DOUBLE" : String(type));

/** JSON lines, or one array. Texts stay texts: DuckDB would make times of them, and drop their zone. */
async function openJson(connection: DuckDBConnection, path: string, source: string): Promise<OrderFile> {
  const found = await readable(
    path,
    connection.runAndReadAll(`FROM read_json(${fileLiteral(source)}, sample_size = -1) LIMIT 2`),
  );
  const list = found.columnNames().find((_, index) => /^STRUCT.*\[\]$/.test(String(found.columnType(index))));
  if (list !== undefined && found.currentRowCount === 1)
    throw new UserError(`${path} is one JSON object with the orders in ${list}.`, {
      remedy: `Give the list alone, for example by jq .${list} ${path} > orders.json`,
    });
  const types = found.columnNames().map((name, index) => {
    const type = String(found.columnType(index))
      .replaceAll(/\b(DATE|TIME|TIMESTAMP|UUID)\b/g, "VARCHAR")
      .replaceAll(/\bDOUBLE\b/g, "JSON");
    return `${quotedString(name)}: ${quotedString(type)}`;
  });
  return await openTyped(connection, path, "read_json", `columns = {${types.join(", ")}}`, source);
}

/** Reads `path`, or its copy in UTF-8 when there is one or the file turns out not to be UTF-8. */
function openCsv(
  connection: DuckDBConnection,
  path: string,
  text: string,
  converted: boolean,
  copy: string,
): Omit<OrderFile, typeof Symbol.dispose> {
  if (CDNOW.test(text)) return openCdnow(connection, path, text);
  // The first line that Excel writes to name the delimiter.
  const named = /^"?sep=(.)"?\r?\n/i.exec(text);
  const { names, delimiter } = parseHeader(text.slice(named?.[0].length ?? 0), named?.[1]);
  if (names.every((name) => name === ""))
    throw new UserError(`The first line of ${path} is empty; it must name the columns.`, { remedy });
  const types = names.map((_, index) => `c${index}: 'VARCHAR'`).join(", ");
  const dialect = `auto_detect = false, header = true, skip = ${named === null ? 0 : 1}, delim = ${quotedString(delimiter)}, quote = '"', escape = '"', comment = '', compression = 'none'`;
  return {
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    copyInto: async (name, select) => {
      let file = converted ? copy : path;
      let padded = false;
      for (;;) {
        const options = `${dialect}, columns = {${types}}, null_padding = ${padded}, parallel = ${!padded}`;
        try {
          await connection.run(
            `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select} FROM read_csv(${fileLiteral(file)}, ${options}) AS t`,
          );
          return;
        } catch (error) {
          const { message } = error as Error;
          if (file === path && message.includes("not utf-8 encoded")) {
            await writeUtf8(path, copy, false);
            file = copy;
          }
          // A row that ends early keeps its values. A row with too many values is an error: they may be in the wrong columns.
          else if (!padded && message.includes("Expected Number of Columns")) padded = true;
          else throw unreadable(path, error);
        }
      }
    },
  };
}

/** A line of the files CDNOW_master.txt and CDNOW_sample.txt, whose customers have a second id. */
const CDNOW = /^ *\d{5} +(\d{4} +)?(?:19|20)\d{6} +\d+ +\d+\.\d\d *\r?\n/;

/** Columns with blanks between them, and no header. */
function openCdnow(
  connection: DuckDBConnection,
  path: string,
  text: string,
): Omit<OrderFile, typeof Symbol.dispose> {
  const names = [
    "customer_id",
    ...(CDNOW.exec(text)?.[1] ? ["id_in_sample"] : []),
    "date",
    "quantity",
    "amount",
  ];
  const values = names.map((_, index) => `parts[${index + 1}] AS c${index}`).join(", ");
  const lines = `read_csv(${fileLiteral(path)}, auto_detect = false, header = false, delim = '\x01', columns = {line: 'VARCHAR'})`;
  return {
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    copyInto: async (name, select) => {
      const rows = `SELECT ${values} FROM (SELECT string_split_regex(trim(line), ' +') AS parts FROM ${lines})`;
      await readable(
        path,
        connection.run(`CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select} FROM (${rows}) AS t`),
      );
    },
  };
}

/**
 * Names of the columns, and the delimiter. The header shows the delimiter better than DuckDB's sniffer, which looks at
 * the rows: there a decimal comma or a text can look like one, and a row that is too long adds a column.
 */
function parseHeader(text: string, known?: string): { names: string[]; delimiter: string } {
  const header = /^(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(text)![0];
  const bare = header.replaceAll(/"(?:[^"]|"")*"/g, "");
  const count = (delimiter: string): number => bare.split(delimiter).length;
  const delimiter =
    known ?? [",", ";", "\t", "|"].reduce((best, next) => (count(next) > count(best) ? next : best));
  const escaped = RegExp.escape(delimiter);
  const field = new RegExp(`${escaped}("(?:[^"]|"")*"|[^${escaped}]*)`, "g");
  const names = [...(delimiter + header).matchAll(field)].map(([, name]) =>
    name!
      .trim()
      .replace(/^"(.*)"$/s, "$1")
      .replaceAll('""', '"')
      .trim(),
  );
  return { names, delimiter };
}

/** UTF-8 without its byte order mark, otherwise Windows-1252; the last character can be incomplete. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

async function readable<T>(path: string, work: Promise<T>): Promise<T> {
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
  // DuckDB shows the line: with an open quote it is the rest of the file.
  const short = sentence.length > 400 ? `${sentence.slice(0, 400)}…` : sentence;
  return new UserError(`${path} can't be read as a table: ${short}`, {
    remedy: "Fix the file, or export it again as CSV in UTF-8 or as Parquet.",
    cause: error,
  });
}

/** The path as SQL, without patterns. */
const fileLiteral = (path: string): string => quotedString(resolve(path).replaceAll(/[*?[]/g, "[$&]"));
