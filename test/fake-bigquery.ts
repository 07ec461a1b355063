/** BigQuery's REST interface with jobs and tables in memory: it runs no SQL, and answers as the test says. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { checkRequest } from "./google-apis/check.ts";

type Json = Record<string, unknown>;

/** The part of a job that a request to insert it has. */
export interface InsertedJob {
  readonly jobReference: { readonly jobId?: string; readonly location?: string };
  readonly configuration: {
    readonly dryRun?: boolean;
    readonly labels: Record<string, string>;
    readonly query: {
      readonly query: string;
      readonly maximumBytesBilled?: string;
      readonly destinationTable?: Json;
      readonly writeDisposition?: string;
      readonly tableDefinitions?: Json;
      readonly queryParameters: {
        readonly name: string;
        readonly parameterType: { readonly type: string };
        readonly parameterValue: { readonly value?: string | null };
      }[];
    };
  };
}

export interface FakeBigQuery {
  readonly endpoint: string;
  /** Jobs in the order in which they were inserted. */
  readonly inserted: InsertedJob[];
  /** What became of the next jobs: errors; without one, a job succeeds. */
  readonly outcomes: ({ reason: string; message: string; atOnce?: boolean } | undefined)[];
  /** Statuses of the next answers to requests that insert a job, before anything is done. */
  readonly refusals: { status: number; message: string }[];
  /** Jobs that are there, by id. */
  readonly jobs: Map<string, Json>;
  /** Statistics of queries, and what a dry run says. */
  statistics: Json;
  /** How often a job says that it is running before it is done. */
  polls: number;
  /** Metadata of tables, by project.dataset.name. */
  readonly tables: Map<string, Json>;
  /** Status of the answer when a table is made or read; 200 unless set. */
  tableStatus: { get?: number; make?: number };
  /** Schema and rows that queries return. */
  results: Json;
  close(): Promise<void>;
}

/** Starts the interface. It answers 400 to requests that Google's description of the API does not allow. */
export async function startFakeBigQuery(): Promise<FakeBigQuery> {
  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const fake: FakeBigQuery = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    inserted: [],
    outcomes: [],
    refusals: [],
    jobs: new Map(),
    statistics: {},
    polls: 0,
    tables: new Map(),
    tableStatus: {},
    results: {},
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
  const polled = new Map<string, number>();

  async function answer(request: IncomingMessage): Promise<[number, Json]> {
    const { pathname } = new URL(request.url ?? "/", "http://bigquery");
    const body = request.method === "GET" ? {} : ((await json(request)) as Json);
    const { problems } = checkRequest({
      method: request.method!,
      url: `https://bigquery.googleapis.com${request.url}`,
      body: request.method === "GET" ? undefined : body,
    });
    if (problems.length > 0) return failure(400, problems.join(", "));
    const [, kind, id] = /\/projects\/[^/]+\/(jobs|queries)(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (kind === "queries") return [200, { jobComplete: true, jobReference: { jobId: id }, ...fake.results }];
    if (kind === "jobs") return id === undefined ? insert(body as unknown as InsertedJob) : state(id);
    return table(request.method!, pathname, body);
  }

  function insert(job: InsertedJob): [number, Json] {
    const refusal = fake.refusals.shift();
    if (refusal !== undefined) return failure(refusal.status, refusal.message);
    const { jobId = "dry" } = job.jobReference;
    if (fake.jobs.has(jobId)) return failure(409, "Already Exists");
    fake.inserted.push(job);
    const error = fake.outcomes.shift();
    const done: Json = {
      jobReference: { projectId: "p", ...job.jobReference },
      status: { state: "DONE", ...(error === undefined ? {} : { errorResult: error }) },
      statistics: { query: fake.statistics },
    };
    if (job.configuration.dryRun !== true) fake.jobs.set(jobId, done);
    return [200, error?.atOnce ? { ...done, status: { state: "DONE", errors: [error] } } : done];
  }

  function state(id: string): [number, Json] {
    const polls = polled.get(id) ?? 0;
    polled.set(id, polls + 1);
    const job = fake.jobs.get(id);
    if (job === undefined) return failure(404, "Not found: Job");
    return [200, polls < fake.polls ? { ...job, status: { state: "RUNNING" } } : job];
  }

  function table(method: string, pathname: string, body: Json): [number, Json] {
    const [, project, dataset, name] = /\/projects\/([^/]+)\/datasets\/([^/]+)\/tables(?:\/([^/]+))?$/.exec(
      pathname,
    )!;
    const key = [project, dataset, name ?? (body.tableReference as Json).tableId].join(".");
    const status = (method === "GET" ? fake.tableStatus.get : fake.tableStatus.make) ?? 200;
    if (status !== 200) return failure(status, `answered ${status}`);
    if (method === "GET" && !fake.tables.has(key)) return failure(404, "Not found: Table");
    if (method !== "GET") fake.tables.set(key, { ...fake.tables.get(key), ...body });
    return [200, fake.tables.get(key)!];
  }

  return fake;
}

const failure = (code: number, message: string): [number, Json] => [code, { error: { code, message } }];
