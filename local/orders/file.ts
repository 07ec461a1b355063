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

interface Column {
  readonly name: string;
  /** DuckDB's type: VARCHAR for every column of a CSV file. */
  readonly type: string;
}

/** A file with rows and named columns. */
export interface OrderFile {
  /** In the file's order. */
  readonly columns: readonly Column[];
  /**
   * Makes the temporary table from the SELECT list, in which the columns are c0, c1, … and t is the whole row.
   * @throws UserError when the file can't be read.
   */
  copyInto(temporaryTable: string, selectList: string): Promise<void>;
  /** Sentences about what was assumed. Known after copyInto, the encoding for some files already before it. */
  readonly guess: { encoding?: string; quotes?: string };
  /** Deletes temporary files. */
  [Symbol.dispose](): void;
}

type Opened = Pick<OrderFile, "columns" | "copyInto">;

const remedy =
  "Give a CSV file (its first line names the columns), JSON (an object for each order), the same with gzip, or Parquet. Save a workbook as CSV first, and unpack a zip file.";

/**
 * Opens a CSV or JSON file, plain or gzipped, in UTF-8, UTF-16, Windows-1252 or the given encoding, or a Parquet file. The
 * content decides, not the name.
 * @throws UserError when the file is not one of them.
 */
export async function openOrderFile(
  connection: DuckDBConnection,
  path: string,
  encoding?: string,
): Promise<OrderFile> {
  const head = await readHead(path);
  if (head.subarray(0, 4).toString("latin1") === "PAR1")
    return {
      ...(await openTyped(connection, path, "read_parquet", "binary_as_string = true")),
      guess: {},
      [Symbol.dispose]: () => undefined,
    };
  const gzipped = head[0] === 0x1f && head[1] === 0x8b;
  const folder = mkdtempSync(join(tmpdir(), "orders-"));
  const copy = join(folder, "orders.csv");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const guess: OrderFile["guess"] = {};
  const convert = () => writeUtf8(path, copy, gzipped, encoding, guess);
  try {
    const isUtf8 = [undefined, "utf-8"].includes(encoding ?? utf16Of(head));
    if (isUtf8 && !gzipped) refuseBinary(path, head);
    const converted = gzipped || !isUtf8 || !isValid(head);
    if (converted) await convert();
    const start = converted ? await readHead(copy) : head;
    if (start.length === 0) throw new UserError(`${path} is empty.`, { remedy });
    refuseBinary(path, start);
    const text = new TextDecoder().decode(start, { stream: true });
    if (/^\s*</.test(text)) throw new UserError(`${path} is HTML or XML, not a table of orders.`, { remedy });
    const source = converted ? copy : path;
    const opened = /^\s*(\{|\[\s*[{\]])/.test(text)
      ? await openJson(connection, path, source)
      : openCsv(connection, path, text, source, guess, async () => {
          await convert();
          return copy;
        });
    return { ...opened, guess, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function readHead(path: string): Promise<Buffer> {
  try {
    const status = await stat(path);
    if (status.isDirectory())
      throw new UserError(`${path} is a folder, not a file of orders.`, {
        remedy: `${remedy} Join several files first.`,
      });
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

function refuseBinary(path: string, bytes: Buffer): void {
  if (bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32)))
    throw new UserError(`${path} is a binary file, not a table of orders.`, { remedy });
}

/** UTF-16, by its byte order mark or by the zeros of its first two letters. */
function utf16Of(start: Uint8Array): string | undefined {
  const [a, b, c, d] = start;
  if ((a === 0xff && b === 0xfe) || (a! > 0 && b === 0 && c! > 0 && d === 0)) return "utf-16le";
  return (a === 0xfe && b === 0xff) || (a === 0 && b! > 0 && c === 0 && d! > 0) ? "utf-16be" : undefined;
}

/** Whether the bytes are UTF-8; the last character can be incomplete. */
function isValid(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** A word with a letter or sign that differs between encodings: not one of those that Excel and word processors write everywhere. */
const FOREIGN = /[^\s,;|"]{0,20}[^\p{ASCII}\u00a0€£¥‘’“”„–—…°®™][^\s,;|"]{0,20}/gu;

/**
 * Copies a text file as UTF-8 with \n at the end of lines. DuckDB knows few encodings, refuses lines with different ends,
 * and accepts an incomplete gzip file as complete.
 * @throws UserError when the file does not have the encoding, the gzip file is damaged or the copy can't be written.
 */
async function writeUtf8(
  path: string,
  target: string,
  gzipped: boolean,
  given: string | undefined,
  guess: OrderFile["guess"],
): Promise<void> {
  const write = async (encoding: string | undefined) => {
    let decoder: TextDecoder | undefined;
    const examples = new Set<string>();
    await pipeline(
      createReadStream(path),
      gzipped ? createGunzip() : new PassThrough(),
      async function* (chunks: AsyncIterable<Buffer>) {
        let end = "";
        for await (const chunk of chunks) {
          decoder ??= new TextDecoder(encoding ?? utf16Of(chunk) ?? "utf-8", { fatal: true });
          const text = end + decoder.decode(chunk, { stream: true });
          for (const [word] of examples.size < 3 ? text.matchAll(FOREIGN) : []) {
            examples.add(word);
            if (examples.size === 3) break;
          }
          end = text.endsWith("\r") ? "\r" : "";
          yield text.slice(0, text.length - end.length).replaceAll("\r\n", "\n");
        }
        yield end + (decoder?.decode() ?? "");
      },
      createWriteStream(target),
    );
    return [...examples].join(", ");
  };
  try {
    await write(given).catch(async (error) => {
      if (error.code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw error;
      if (given !== undefined)
        throw new UserError(`${path} is not in the encoding ${given}.`, {
          remedy: "Give the one in which it was saved: --encoding NAME. Without the option it is recognized.",
        });
      // Every byte is a character of Windows-1252, which includes Latin-1, so that all differences remain.
      const examples = await write("windows-1252");
      if (examples !== "")
        guess.encoding = `${path} is not in UTF-8. It is read as Windows-1252, for example ${examples}. If this is wrong, give the encoding, for example --encoding windows-1250, windows-1251, shift_jis or gbk.`;
    });
  } catch (error) {
    if (error instanceof UserError) throw error;
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
): Promise<Opened> {
  const table = `${reader}(${fileLiteral(source)}, ${options})`;
  const described = await readable(path, connection.runAndReadAll(`FROM ${table} LIMIT 0`));
  const columns = described
    .columnNames()
    .flatMap((name, index) => fieldsOf(name, described.columnType(index), `t.${quotedIdentifier(name)}`));
  const values = columns.map((column, index) => `${column.path} AS c${index}`).join(", ");
  return {
    columns,
    copyInto: async (name, select) => {
      const sql = `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select} FROM (SELECT ${values} FROM ${table} AS t) AS t`;
      await readable(path, connection.run(sql));
    },
  };
}

/** A column, or for a STRUCT the columns that its fields are, at any depth. */
const fieldsOf = (name: string, type: DuckDBType, path: string): (Column & { path: string })[] =>
  type instanceof DuckDBStructType
    ? type.entryNames.flatMap((field, index) =>
        fieldsOf(`${name}.${field}`, type.entryTypes[index]!, `${path}.${quotedIdentifier(field)}`),
      )
    : [{ name, type: nameOf(type), path }];

/** A number of a JSON file that is not a whole one is kept as it is written: a DOUBLE would round a long id. */
const nameOf = (type: DuckDBType): string => (type.alias === "JSON" ? "DOUBLE" : String(type));

/** JSON lines, or one array. Texts stay texts: DuckDB would make times of them, and drop their zone. */
async function openJson(connection: DuckDBConnection, path: string, source: string): Promise<Opened> {
  const found = await readable(
    path,
    connection.runAndReadAll(`FROM read_json(${fileLiteral(source)}, sample_size = -1) LIMIT 2`),
  );
  const list = found.columnNames().find((_, index) => /^STRUCT.*\[\]$/.test(String(found.columnType(index))));
  if (list !== undefined && found.currentRowCount === 1)
    throw new UserError(`${path} is one JSON object with the orders in ${list}.`, {
      remedy: `Give the list alone, for example by jq .${list} ${path} > orders.json`,
    });
  // What DuckDB calls values that are no objects.
  if (found.columnNames().join() === "json")
    throw new UserError(`${path} is JSON, but not with an object for each order.`, {
      remedy: "Give an object in each line, or one array of objects that is not empty.",
    });
  const types = found.columnNames().map((name, index) => {
    const type = String(found.columnType(index))
      .replaceAll(/\b(DATE|TIME|TIMESTAMP|UUID)\b/g, "VARCHAR")
      .replaceAll(/\bDOUBLE\b/g, "JSON");
    return `${quotedString(name)}: ${quotedString(type)}`;
  });
  return await openTyped(connection, path, "read_json", `columns = {${types.join(", ")}}`, source);
}

/** Reads `source`, which is `path` or its copy. `convert` makes the copy when a row turns out to need it. */
function openCsv(
  connection: DuckDBConnection,
  path: string,
  text: string,
  source: string,
  guess: OrderFile["guess"],
  convert: () => Promise<string>,
): Opened {
  if (CDNOW.test(text)) return openCdnow(connection, path, text);
  // Blank lines, and the line that Excel writes to name the delimiter.
  const [above = "", known] = /^(?:[ \t]*\r?\n)*(?:"?sep=(.)"?\r?\n)?/i.exec(text)!;
  const skip = above.split("\n").length - 1;
  const { names, delimiter } = parseHeader(text.slice(above.length), known);
  if (names.every((name) => name === ""))
    throw new UserError(`The first line of ${path} is empty; it must name the columns.`, { remedy });
  const types = names.map((_, index) => `c${index}: 'VARCHAR'`).join(", ");
  const dialect = `auto_detect = false, header = true, skip = ${skip}, delim = ${quotedString(delimiter)}, comment = '', compression = 'none'`;
  // Two stray quotation marks make one value of the lines between them: it has the delimiters of a row for each line break.
  const count = (value: string, sign: string) =>
    `(length(${value}) - length(replace(${value}, ${sign}, '')))`;
  const swallowed = names.map(
    (_, i) =>
      `WHEN contains(c${i}, chr(10)) AND ${count(`c${i}`, quotedString(delimiter))} = ${names.length - 1} * ${count(`c${i}`, "chr(10)")} THEN left(c${i}, 80)`,
  );
  return {
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    copyInto: async (name, select) => {
      let file = source;
      let padded = false;
      let quote = '"';
      let escaped = '"';
      for (;;) {
        const options = `${dialect}, columns = {${types}}, null_padding = ${padded}, quote = ${quotedString(quote)}, escape = ${quotedString(escaped)}, parallel = ${!padded}`;
        try {
          await connection.run(
            `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${select}, CASE ${swallowed.join(" ")} END AS swallowed FROM read_csv(${fileLiteral(file)}, ${options}) AS t`,
          );
          const found = await connection.runAndReadAll(
            `SELECT count(*)::INTEGER, any_value(swallowed) FROM ${name} WHERE swallowed IS NOT NULL`,
          );
          const [lost, example] = found.getRows()[0] as [number, string | null];
          if (lost === 0) return;
          if (delimiter !== "\t") {
            guess.quotes = `Values of ${path} that hold line breaks and the delimiters of rows: ${lost}, for example ${example!.replaceAll(/\s+/g, " ")}. If a quotation mark is only a letter there, the lines up to the next one are not read as rows. Write it twice, in a value between quotation marks.`;
            return;
          }
          // Tabs between values without quotes, as Amazon writes them.
          quote = "";
          escaped = "";
        } catch (error) {
          const { message } = error as Error;
          const isUnclosed = message.includes("unterminated quote");
          // DuckDB says of lines with different ends that a quote is not closed, or that it has no next state.
          if (file === path && (isUnclosed || /not utf-8 encoded|invalid state/.test(message)))
            file = await convert();
          else if (isUnclosed && delimiter === "\t" && quote !== "") quote = escaped = "";
          // MySQL writes \" in a value.
          else if (isUnclosed && escaped === '"') escaped = "\\";
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
function openCdnow(connection: DuckDBConnection, path: string, text: string): Opened {
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
  // DuckDB shows the line, with an open quote the rest of the file, and then the reason.
  const short = sentence.length > 400 ? `${sentence.slice(0, 200)} … ${sentence.slice(-200)}` : sentence;
  return new UserError(`${path} can't be read as a table: ${short}`, {
    remedy: "Fix the file, or export it again as CSV in UTF-8 or as Parquet.",
    cause: error,
  });
}

/** The path as SQL, without patterns. */
const fileLiteral = (path: string): string => quotedString(resolve(path).replaceAll(/[*?[]/g, "[$&]"));
