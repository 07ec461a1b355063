import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { BigQuery, type Job, type TableField, type TableMetadata } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { z } from "zod";
import { Problem, parse } from "../contracts/problem.ts";
import {
  type Model,
  type Outcome,
  type Parameter,
  type Parameters,
  pathOf,
  QueryError,
  type Row,
  type Target,
  type Warehouse,
} from "../contracts/warehouse.ts";

const options = z.strictObject({
  project: z.string().regex(/^[a-z][a-z0-9-]*$/, "must be a project's id"),
  location: z.string().regex(/^[\w-]+$/, "must be a location like EU or europe-west1"),
  maximum_bytes_billed: z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .optional()
    .describe("No query may bill more."),
  endpoint: z
    .url()
    .optional()
    .describe("Where BigQuery is, if not at Google: an emulator, asked without a login."),
});

export interface BigQueryOptions {
  /** Labels of all jobs; together they also name them, so that a step that runs again finds what it has begun. */
  readonly labels?: Readonly<Record<string, string>>;
  /** How long an answer may take, milliseconds; then it is asked for again. @default 60000 */
  readonly timeout?: number;
  /** How often a request is sent again that got no answer, or one of 429 or 5xx; the waits double from 1 s. @default 5 */
  readonly retries?: number;
}

/** Reasons of errors after which the same job may do better: cloud.google.com/bigquery/docs/error-messages */
const PASSING = new Set([
  "backendError",
  "internalError",
  "jobBackendError",
  "jobInternalError",
  "rateLimitExceeded",
  "jobRateLimitExceeded",
]);
const ATTEMPTS = 5;

/** What of a job is read: cloud.google.com/bigquery/docs/reference/rest/v2/Job */
const jobMetadata = z.object({
  status: z.object({
    state: z.string(),
    errorResult: z.object({ reason: z.string().default(""), message: z.string().default("") }).optional(),
  }),
  statistics: z
    .object({
      query: z
        .object({
          totalBytesBilled: z.coerce.number().default(0),
          totalBytesProcessed: z.coerce.number().default(0),
          schema: z.object({ fields: z.array(z.object({ name: z.string(), type: z.string() })) }).optional(),
          dmlStats: z.object({ insertedRowCount: z.coerce.number().default(0) }).prefault({}),
        })
        .prefault({}),
    })
    .prefault({}),
});

/**
 * The warehouse in BigQuery. Each statement is a job whose id follows from the labels and the statement: where an answer
 * was lost, or a step runs again, the job that is there is waited for, and only one that failed is followed by another.
 */
export class BigQueryWarehouse implements Warehouse {
  readonly project: string;
  readonly #client: BigQuery;
  readonly #location: string;
  readonly #maximumBytesBilled: string | undefined;
  readonly #labels: Readonly<Record<string, string>>;
  /** How often a statement was asked for: twice the same is two jobs. */
  readonly #asked = new Map<string, number>();

  /** Opens bigquery://project/location?maximum_bytes_billed=N; throws a Problem when the URL is not like that. */
  constructor(url: string, { labels = {}, timeout = 60_000, retries = 5 }: BigQueryOptions = {}) {
    const { hostname, pathname, searchParams } = new URL(url);
    const given = { project: hostname, location: pathname.slice(1), ...Object.fromEntries(searchParams) };
    const { project, location, maximum_bytes_billed, endpoint } = parse(
      options,
      given,
      `WAREHOUSE_URL ${url}`,
    );
    this.project = project;
    this.#location = location;
    this.#maximumBytesBilled = maximum_bytes_billed;
    this.#labels = labels;
    // common's Service takes a timeout, which BigQueryOptions does not name.
    const service = {
      projectId: project,
      timeout,
      retryOptions: { maxRetries: retries },
      ...(endpoint === undefined ? {} : emulated(endpoint)),
    };
    this.#client = new BigQuery(service);
  }

  async materialize(model: Model, parameters: Parameters): Promise<Outcome> {
    const path = pathOf(model.target);
    if (model.materialization === "view") {
      await this.#run(`CREATE OR REPLACE VIEW ${path} AS\n${model.query}`, {}, 1);
      return { rows: 0, bytesBilled: 0 };
    }
    const { fields, bytes } = await this.#plan(model.query, parameters);
    this.#checkEstimate(model.target, bytes);
    await this.#provideTable(model, fields);
    if (model.materialization === "log") return { rows: 0, bytesBilled: 0 };
    const replaced =
      model.materialization === "partition" ? `\`${model.partitionBy ?? "run_date"}\` = @run_date` : "TRUE";
    const columns = fields.map(({ name }) => name!);
    return await this.#replace(path, replaced, columns, model.query, parameters);
  }

  async *stream(sql: string, parameters: Parameters = {}): AsyncGenerator<Row> {
    const { job } = await this.#run(sql, parameters);
    const rows = job.getQueryResultsStream({ wrapIntegers: { integerTypeCastFunction: Number } });
    for await (const row of rows) yield toPlain(row) as Row;
  }

  async query(sql: string, parameters: Parameters = {}): Promise<Row[]> {
    return await Array.fromAsync(this.stream(sql, parameters));
  }

  /** Bytes that a query would read, by a dry run, which costs nothing. */
  async estimate(sql: string, parameters: Parameters = {}): Promise<number> {
    return (await this.#plan(sql, parameters)).bytes;
  }

  async replaceRows(
    target: Target,
    key: Readonly<Record<string, string>>,
    rows: readonly Row[],
  ): Promise<Outcome> {
    const [metadata] = await this.#table(target).getMetadata();
    const fields = (metadata as TableMetadata & { schema: { fields: TableField[] } }).schema.fields;
    const types = Object.fromEntries(fields.map(({ name, type }) => [name!, standardType(type!)]));
    for (const row of rows) checkRow(target, types, row);
    // One JSON document, typed by the table: a statement's work does not grow with the rows.
    const select = Object.entries(types).map(
      ([name, type]) => `CAST(JSON_VALUE(row, '$.${name}') AS ${type}) AS \`${name}\``,
    );
    const conditions = Object.keys(key).map((name) => `\`${name}\` = CAST(@${name} AS ${types[name]})`);
    const parameters = Object.fromEntries(
      Object.entries({ ...key, rows: JSON.stringify(rows) }).map(([name, value]) => [
        name,
        { type: "STRING", value } as const,
      ]),
    );
    return await this.#replace(
      pathOf(target),
      conditions.join(" AND "),
      Object.keys(types),
      `SELECT ${select.join(", ")} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS row`,
      parameters,
    );
  }

  async close(): Promise<void> {}

  /** Replaces the rows that the condition holds for by those of the query, in one statement: wholly or not at all. */
  async #replace(
    path: string,
    condition: string,
    columns: readonly string[],
    query: string,
    parameters: Parameters,
  ): Promise<Outcome> {
    const names = columns.map((name) => `\`${name}\``).join(", ");
    const merge = `MERGE ${path} USING (
${query}
) AS new_rows ON FALSE
WHEN NOT MATCHED BY SOURCE AND ${condition} THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT (${names}) VALUES (${names})`;
    const { statistics } = await this.#run(merge, parameters, 1);
    return { rows: statistics.dmlStats.insertedRowCount, bytesBilled: statistics.totalBytesBilled };
  }

  #table({ project, dataset, name }: Target) {
    return this.#client.dataset(dataset, { projectId: project }).table(name);
  }

  /** Makes the table as the query has it, or adds the columns that it has not yet, so that an edited model counts at once. */
  async #provideTable(
    { target, partitionBy, clusterBy }: Model,
    fields: readonly TableField[],
  ): Promise<void> {
    const table = this.#table(target);
    const found = await table.getMetadata().catch((error) => {
      if (error.code !== 404) throw error;
    });
    if (found === undefined) {
      await this.#client
        .dataset(target.dataset, { projectId: target.project })
        .createTable(target.name, {
          schema: { fields: [...fields] },
          ...(partitionBy === undefined ? {} : { timePartitioning: { type: "DAY", field: partitionBy } }),
          ...(clusterBy.length === 0 ? {} : { clustering: { fields: [...clusterBy] } }),
        })
        .catch((error) => {
          // Another run was faster.
          if (error.code !== 409) throw error;
        });
      return;
    }
    const present: TableField[] = found[0].schema.fields;
    const added = fields.filter(({ name, type }) => {
      const column = present.find((field) => field.name === name);
      if (column !== undefined && standardType(column.type!) !== standardType(type!))
        throw new Problem(
          `Column ${name} of ${target.dataset}.${target.name} would change its type from ${column.type} to ${type}.`,
          { remedy: "Give the column another name." },
        );
      return column === undefined;
    });
    if (added.length > 0) await table.setMetadata({ schema: { fields: [...present, ...added] } });
  }

  #checkEstimate({ dataset, name }: Target, bytes: number): void {
    const limit = this.#maximumBytesBilled;
    if (limit !== undefined && bytes > Number(limit))
      throw new Problem(`${dataset}.${name} would read ${bytes} bytes; allowed are ${limit}.`, {
        remedy: "Find what it reads too much, or raise the setting bytesBilledLimit.",
      });
  }

  /** The columns of a query and the bytes that it would read. */
  async #plan(sql: string, parameters: Parameters): Promise<{ fields: TableField[]; bytes: number }> {
    const { job } = await this.#insert(undefined, sql, parameters);
    const { query } = parse(jobMetadata, job.metadata, "BigQuery's dry run").statistics;
    return { fields: query.schema?.fields ?? [], bytes: query.totalBytesProcessed };
  }

  /** Runs a statement to its end. The query that a person wrote begins this many lines below its first. */
  async #run(sql: string, parameters: Parameters, linesBefore = 0) {
    const statement = createHash("sha256")
      .update(JSON.stringify([sql, parameters]))
      .digest("hex")
      .slice(0, 16);
    const time = this.#asked.get(statement) ?? 0;
    this.#asked.set(statement, time + 1);
    const labels = Object.values(this.#labels);
    const name = [...(labels.length > 0 ? labels : [randomUUID()]), statement, time].join("-");
    for (let attempt = 0, failures = 0; ; attempt += 1) {
      const { job, isNew } = await this.#insert(`${name}-${attempt}`, sql, parameters, linesBefore);
      const { status, statistics } = await this.#ended(job);
      if (status.errorResult === undefined) return { job, statistics: statistics.query };
      // The failure of an earlier attempt is not this one's.
      if (!isNew) continue;
      failures += 1;
      if (!PASSING.has(status.errorResult.reason) || failures === ATTEMPTS)
        throw queryError(status.errorResult.message, linesBefore);
      await setTimeout(1000 * 2 ** failures * (0.5 + Math.random()));
    }
  }

  /**
   * Starts a job, or finds the one of this id; without an id, a dry run. The client asks again where no answer came, or
   * one that says so; the job's id makes that safe.
   */
  async #insert(jobId: string | undefined, sql: string, parameters: Parameters, linesBefore = 0) {
    const values = Object.entries(parameters);
    try {
      const [job] = await this.#client.createQueryJob({
        query: sql,
        location: this.#location,
        labels: { ...this.#labels },
        params: Object.fromEntries(values.map(([name, parameter]) => [name, clientValue(parameter)])),
        types: Object.fromEntries(values.map(([name, { type }]) => [name, type])),
        ...(this.#maximumBytesBilled === undefined ? {} : { maximumBytesBilled: this.#maximumBytesBilled }),
        ...(jobId === undefined ? { dryRun: true } : { jobId }),
      });
      return { job, isNew: true };
    } catch (error) {
      const { code, message } = error as { code?: number; message: string };
      // A job that is there already, or one that failed at once, which the client tells without a code.
      if (jobId !== undefined && (code === 409 || ("response" in (error as object) && code === undefined)))
        return { job: this.#client.job(jobId, { location: this.#location }), isNew: code !== 409 };
      throw code === 400 || code === 404 ? queryError(message, linesBefore) : error;
    }
  }

  async #ended(job: Job): Promise<z.output<typeof jobMetadata>> {
    for (let wait = 50; ; wait = Math.min(2 * wait, 2000)) {
      const known = parse(jobMetadata, (await job.getMetadata())[0], "BigQuery's job");
      if (known.status.state === "DONE") return known;
      await setTimeout(wait);
    }
  }
}

/** The client of an emulator, which wants a token but does not look at it. */
function emulated(apiEndpoint: string) {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: "none", expiry_date: Number.MAX_SAFE_INTEGER });
  return { apiEndpoint, authClient };
}

/** BigQuery tells the place at the end: «Unrecognized name: x at [3:5]». */
function queryError(message: string, linesBefore: number): QueryError {
  const [, line, column] = / at \[(\d+):(\d+)\]/.exec(message) ?? [];
  if (line === undefined || Number(line) <= linesBefore) return new QueryError(message);
  const position = { line: Number(line) - linesBefore, column: Number(column) };
  return new QueryError(message.replace(/ at \[\d+:\d+\]/, ""), position);
}

/** A parameter as the client takes it. */
const clientValue = ({ type, value }: Parameter) =>
  type === "DATE" && value !== null ? BigQuery.date(String(value)) : value;

/** GoogleSQL's names of the types that a table's schema has by its old ones. */
const standardType = (type: string): string =>
  ({ FLOAT: "FLOAT64", INTEGER: "INT64", BOOLEAN: "BOOL" })[type] ?? type;

const SCRIPT_TYPES: Readonly<Record<string, string>> = {
  BOOL: "boolean",
  FLOAT64: "number",
  INT64: "number",
};

function checkRow({ dataset, name: table }: Target, types: Readonly<Record<string, string>>, row: Row): void {
  for (const [name, value] of Object.entries(row)) {
    const type = types[name];
    if (type === undefined) throw new Problem(`${dataset}.${table} has no column ${name}.`);
    if (value !== null && typeof value !== (SCRIPT_TYPES[type] ?? "string"))
      throw new Problem(
        `${dataset}.${table}: ${JSON.stringify(value)} is no ${type}, as column ${name} has.`,
      );
  }
}

/** Integers and decimals as numbers, dates as YYYY-MM-DD, timestamps as ISO 8601. */
function toPlain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(toPlain);
  // Decimals are those of big.js.
  if ("toFixed" in value) return Number(value);
  // So are dates and timestamps, which have nine digits of a second.
  if ("value" in value && typeof value.value === "string")
    return value.value.replace(/(\.\d*[1-9])0+Z$|\.0+Z$/, "$1Z");
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toPlain(inner)]));
}
