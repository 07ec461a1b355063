/** Parquet files at file: and gs: URLs, for jobs that have no warehouse. */
import { parquetMetadata, parquetReadObjects, parquetSchema } from "hyparquet";
import { ByteWriter, parquetWriteRows } from "hyparquet-writer";
import { UserError } from "../lib/user-error.ts";
import { jobArtifacts } from "./artifacts.ts";

export interface ParquetColumn {
  readonly name: string;
  readonly type: "STRING" | "INT64" | "DOUBLE";
  readonly nullable?: boolean;
}

/**
 * The rows of all Parquet files of a folder, with these columns. Whole numbers are numbers.
 * @throws UserError when the folder has no files, or a file lacks a column
 */
export async function readParquet<Name extends string>(
  folder: string,
  columns: readonly Name[],
): Promise<Record<Name, unknown>[]> {
  const rows: Record<Name, unknown>[] = [];
  const files = await jobArtifacts.readFolder(folder, ".parquet");
  if (files.length === 0) throw new UserError(`The folder ${folder} has no Parquet files.`);
  for (const { buffer, byteOffset, byteLength } of files) {
    const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const metadata = parquetMetadata(file);
    const present = parquetSchema(metadata).children.map(({ element }) => element.name);
    const missing = columns.filter((name) => !present.includes(name));
    if (missing.length > 0)
      throw new UserError(`The Parquet files of ${folder} have no column ${missing.join(", ")}.`, {
        remedy: `They have: ${present.join(", ")}.`,
      });
    for (const row of await parquetReadObjects({ file, metadata, columns: [...columns] })) {
      for (const name of columns) if (typeof row[name] === "bigint") row[name] = Number(row[name]);
      rows.push(row as Record<Name, unknown>);
    }
  }
  return rows;
}

/** Writes the rows into one Parquet file. */
export async function writeParquet(
  url: string,
  columns: readonly ParquetColumn[],
  rows: readonly object[],
): Promise<void> {
  const whole = columns.filter(({ type }) => type === "INT64").map(({ name }) => name);
  const converted = rows.map((row) => {
    const copy = { ...row } as Record<string, unknown>;
    for (const name of whole) copy[name] = BigInt(copy[name] as number);
    return copy;
  });
  const writer = new ByteWriter();
  await parquetWriteRows({
    writer,
    rows: converted,
    columns: columns.map(({ nullable = false, ...column }) => ({ ...column, nullable })),
  });
  await jobArtifacts.write(url, new Uint8Array(writer.getBuffer()));
}
