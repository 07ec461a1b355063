import { createHash, randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { BigQuery, type Job, type JobMetadata, type Query, type TableField } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { z } from "zod";
import { type Parameter, type Parameters, QueryError } from "../contracts/warehouse.ts";
import { mapValues } from "../lib/map-values.ts";
import { parse } from "../lib/user-error.ts";

const urlParts = z.strictObject({
  project: z.string().regex(/^[a-z][a-z0-9-]*$/, "must be a project's id"),
  location: z.string().regex(/^[\w-]+$/, "must be a location like EU or europe-west1"),
  maximum_bytes_billed: z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .optional()
    .describe("The most bytes that a query may bill."),
  endpoint: z.url().optional().describe("URL of an emulator, which needs no login."),
});

export interface BigQueryOptions {
  /** Labels of all jobs. Jobs are also named by them, so that a step that runs again finds the jobs it started. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Milliseconds to wait for an answer before the request is sent again. @default 60000 */
  readonly timeout?: number;
  /** How often a request is sent again after no answer, 429 or 5xx; the waits double from 1 s. @default 5 */
  readonly retries?: number;
  /** Milliseconds, about, before a failed statement is run again for the first time; the waits double. @default 2000 */
  readonly retryDelay?: number;
}

/** Where the rows of a query go, and the files that it reads as tables. */
type QueryOptions = Pick<Query, "destination" | "writeDisposition" | "tableDefinitions">;

/** A job that failed for one of these reasons can succeed later: cloud.google.com/bigquery/docs/error-messages */
const RETRYABLE_REASONS = new Set([
  "backendError",
  "internalError",
  "jobBackendError",
  "jobInternalError",
  "rateLimitExceeded",
  "jobRateLimitExceeded",
]);
/** Two runs replaced the same date at the same time: cloud.google.com/bigquery/docs/data-manipulation-language#dml-conflicts */
const CONFLICT = /due to concurrent update/;
const ATTEMPTS = 5;

/**
 * Runs statements as BigQuery jobs. A job's id is made of the labels and the statement. If an answer was lost, or a step
 * runs again, the job with this id is waited for, and only a failed job is followed by another one.
 */
export class BigQueryJobs {
  readonly project: string;
  readonly client: BigQuery;
  /** The most bytes that a query may bill. */
  readonly maximumBytesBilled: number | undefined;
  readonly #location: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #retryDelay: number;
  /** How often this process ran each statement: the second time is another job. */
  readonly #runs = new Map<string, number>();

  /**
   * For bigquery://project/location?maximum_bytes_billed=N.
   * @throws UserError when the URL does not have this form.
   */
  constructor(url: string, options: BigQueryOptions = {}) {
    const { labels = {}, timeout = 60_000, retries = 5, retryDelay = 2000 } = options;
    const { hostname, pathname, searchParams } = new URL(url);
    const given = { project: hostname, location: pathname.slice(1), ...Object.fromEntries(searchParams) };
    const parsed = parse(urlParts, given, `WAREHOUSE_URL ${url}`);
    this.project = parsed.project;
    this.maximumBytesBilled = parsed.maximum_bytes_billed;
    this.#location = parsed.location;
    this.#labels = labels;
    this.#retryDelay = retryDelay;
    // The client takes a timeout, although its type does not have one.
    const service = {
      projectId: parsed.project,
      timeout,
      retryOptions: { maxRetries: retries },
      ...(parsed.endpoint === undefined ? {} : emulated(parsed.endpoint)),
    };
    this.client = new BigQuery(service);
  }

  /** The columns of a query and the bytes that it would read: a dry run, which is free. */
  async plan(sql: string, parameters: Parameters): Promise<{ fields: TableField[]; bytes: number }> {
    const { job } = await this.#insert(undefined, sql, parameters);
    const query = (job.metadata as JobMetadata).statistics?.query;
    return { fields: query?.schema?.fields ?? [], bytes: Number(query?.totalBytesProcessed ?? 0) };
  }

  /**
   * Runs a statement to its end; returns the job, the rows that it inserted and the bytes that it billed. The query
   * that a person wrote starts after `linesBefore` lines of the statement.
   * @throws QueryError with the place in that query, if it is known.
   */
  async run(sql: string, parameters: Parameters, linesBefore = 0, more: QueryOptions = {}) {
    const { tableDefinitions } = more;
    const statement = createHash("sha256")
      .update(
        JSON.stringify([sql, parameters, ...(tableDefinitions === undefined ? [] : [tableDefinitions])]),
      )
      .digest("hex")
      .slice(0, 16);
    const time = this.#runs.get(statement) ?? 0;
    this.#runs.set(statement, time + 1);
    const labels = Object.values(this.#labels);
    const name = [...(labels.length > 0 ? labels : [randomUUID()]), statement, time].join("-");
    for (let attempt = 0, failures = 0; ; attempt += 1) {
      const { job, isNew } = await this.#insert(`${name}-${attempt}`, sql, parameters, linesBefore, more);
      const { status, statistics } = await waitForEnd(job);
      const error = status?.errorResult;
      if (error === undefined) {
        const { dmlStats, totalBytesBilled = 0 } = statistics?.query ?? {};
        return { job, rows: Number(dmlStats?.insertedRowCount ?? 0), bytesBilled: Number(totalBytesBilled) };
      }
      // The job is of an earlier try of the step, and failed then.
      if (!isNew) continue;
      failures += 1;
      const { reason = "", message = "" } = error;
      if (failures === ATTEMPTS || !(RETRYABLE_REASONS.has(reason) || CONFLICT.test(message)))
        throw queryError(message, linesBefore);
      await setTimeout(this.#retryDelay * 2 ** (failures - 1) * (0.5 + Math.random()));
    }
  }

  /**
   * Starts a job, or finds the one with this id; without an id it is a dry run. The client sends a request again when
   * there is no answer, 429 or 5xx; the job's id makes that safe.
   */
  async #insert(
    jobId: string | undefined,
    sql: string,
    parameters: Parameters,
    linesBefore = 0,
    more: QueryOptions = {},
  ) {
    try {
      const [job] = await this.client.createQueryJob({
        ...more,
        query: sql,
        location: this.#location,
        labels: { ...this.#labels },
        params: mapValues(parameters, clientValue),
        types: mapValues(parameters, ({ type }) => type),
        ...(this.maximumBytesBilled === undefined
          ? {}
          : { maximumBytesBilled: String(this.maximumBytesBilled) }),
        ...(jobId === undefined ? { dryRun: true } : { jobId }),
      });
      return { job, isNew: true };
    } catch (error) {
      const { code, message } = error as { code?: number; message: string };
      // 409: there is a job with this id. No code: the job was started and has failed.
      if (jobId !== undefined && (code === 409 || ("response" in (error as object) && code === undefined)))
        return { job: this.client.job(jobId, { location: this.#location }), isNew: code !== 409 };
      throw code === 400 || code === 404 ? queryError(message, linesBefore) : error;
    }
  }
}

async function waitForEnd(job: Job): Promise<JobMetadata> {
  for (let wait = 50; ; wait = Math.min(2 * wait, 2000)) {
    const [metadata] = (await job.getMetadata()) as [JobMetadata, unknown];
    if (metadata.status?.state === "DONE") return metadata;
    await setTimeout(wait);
  }
}

/** Options of a client for an emulator, which needs a token but does not check it. */
function emulated(apiEndpoint: string) {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: "none", expiry_date: Number.MAX_SAFE_INTEGER });
  return { apiEndpoint, authClient };
}

/** BigQuery's messages end with the place: "Unrecognized name: x at [3:5]". */
function queryError(message: string, linesBefore: number): QueryError {
  const [, line, column] = / at \[(\d+):(\d+)\]/.exec(message) ?? [];
  if (line === undefined || Number(line) <= linesBefore) return new QueryError(message);
  const position = { line: Number(line) - linesBefore, column: Number(column) };
  return new QueryError(message.replace(/ at \[\d+:\d+\]/, ""), position);
}

const clientValue = ({ type, value }: Parameter) =>
  type === "DATE" && value !== null ? BigQuery.date(String(value)) : value;
