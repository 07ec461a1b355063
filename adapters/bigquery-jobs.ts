import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { BigQuery, type Job, type TableField } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { z } from "zod";
import { type Parameter, type Parameters, QueryError } from "../contracts/warehouse.ts";
import { parse } from "../lib/user-error.ts";

const options = z.strictObject({
  project: z.string().regex(/^[a-z][a-z0-9-]*$/, "must be a project's id"),
  location: z.string().regex(/^[\w-]+$/, "must be a location like EU or europe-west1"),
  maximum_bytes_billed: z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
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
/** Two runs of a date replaced it at the same time: cloud.google.com/bigquery/docs/data-manipulation-language#dml-conflicts */
const CONFLICT = /due to concurrent update/;
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
 * Statements as jobs of BigQuery. A job's id follows from the labels and the statement: where an answer was lost, or a
 * step runs again, the job that is there is waited for, and only one that failed is followed by another.
 */
export class BigQueryJobs {
  readonly project: string;
  readonly client: BigQuery;
  /** Bytes that no query may bill more than. */
  readonly maximumBytesBilled: number | undefined;
  readonly #location: string;
  readonly #labels: Readonly<Record<string, string>>;
  /** How often a statement was asked for: twice the same is two jobs. */
  readonly #asked = new Map<string, number>();

  /** For bigquery://project/location?maximum_bytes_billed=N; throws a UserError when the URL is not like that. */
  constructor(url: string, { labels = {}, timeout = 60_000, retries = 5 }: BigQueryOptions = {}) {
    const { hostname, pathname, searchParams } = new URL(url);
    const given = { project: hostname, location: pathname.slice(1), ...Object.fromEntries(searchParams) };
    const parsed = parse(options, given, `WAREHOUSE_URL ${url}`);
    this.project = parsed.project;
    this.maximumBytesBilled = parsed.maximum_bytes_billed;
    this.#location = parsed.location;
    this.#labels = labels;
    // common's Service takes a timeout, which BigQueryOptions does not name.
    const service = {
      projectId: parsed.project,
      timeout,
      retryOptions: { maxRetries: retries },
      ...(parsed.endpoint === undefined ? {} : emulated(parsed.endpoint)),
    };
    this.client = new BigQuery(service);
  }

  /** The columns of a query and the bytes that it would read. */
  async plan(sql: string, parameters: Parameters): Promise<{ fields: TableField[]; bytes: number }> {
    const { job } = await this.#insert(undefined, sql, parameters);
    const { query } = parse(jobMetadata, job.metadata, "BigQuery's dry run").statistics;
    return { fields: query.schema?.fields ?? [], bytes: query.totalBytesProcessed };
  }

  /**
   * Runs a statement to its end. The query that a person wrote begins this many lines below its first.
   * Throws QueryError, with the place in that query where it is known.
   */
  async run(sql: string, parameters: Parameters, linesBefore = 0) {
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
      const { reason, message } = status.errorResult;
      if (failures === ATTEMPTS || !(PASSING.has(reason) || CONFLICT.test(message)))
        throw queryError(message, linesBefore);
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
      const [job] = await this.client.createQueryJob({
        query: sql,
        location: this.#location,
        labels: { ...this.#labels },
        params: Object.fromEntries(values.map(([name, parameter]) => [name, clientValue(parameter)])),
        types: Object.fromEntries(values.map(([name, { type }]) => [name, type])),
        ...(this.maximumBytesBilled === undefined
          ? {}
          : { maximumBytesBilled: String(this.maximumBytesBilled) }),
        ...(jobId === undefined ? { dryRun: true } : { jobId }),
      });
      return { job, isNew: true };
    } catch (error) {
      const { code, message } = error as { code?: number; message: string };
      // A job that is there already, or one that failed at once, which the client tells without a code.
      if (jobId !== undefined && (code === 409 || ("response" in (error as object) && code === undefined)))
        return { job: this.client.job(jobId, { location: this.#location }), isNew: code !== 409 };
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
