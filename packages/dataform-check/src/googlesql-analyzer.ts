import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import {
  type Parameter,
  type Parameters,
  QueryError,
  type Routine,
  type Row,
  type Target,
} from "../../../contracts/warehouse.ts";
import { UserError } from "../../../lib/user-error.ts";
import { withPaths } from "./googlesql-to-duckdb.ts";
import {
  type Column,
  plainValue,
  type TypeMessage,
  typeMessage,
  typeName,
  valueMessage,
} from "./googlesql-values.ts";

/** A table that queries can read. */
export interface Table {
  readonly target: Target;
  readonly columns: readonly Column[];
  /** What the evaluator finds in it, as the warehouse gives rows. @default none */
  readonly rows?: readonly Row[];
}

/** What queries can name: tables, and the routines with the dataset that they are in. */
export interface Catalog {
  readonly tables: readonly Table[];
  readonly routines?: readonly Omit<Routine, "call" | "description">[];
  readonly routinesDataset?: { readonly project: string; readonly dataset: string };
  /**
   * GoogleSQL expressions by the routines' names, of their parameters, that the evaluator takes in their place: it runs
   * no JavaScript. The analyzer sees a routine of such a name with parameters of any type.
   */
  readonly standIns?: Readonly<Record<string, string>>;
}

/** What the analyzer says of a query. */
export interface Analysis {
  readonly columns: readonly Column[];
  /**
   * The resolved tree (ResolvedQueryStmtProto as JSON, int64 as text); a table is named in it by its full_name,
   * project.dataset.name, and parse locations are offsets in the query's UTF-8.
   */
  readonly statement: Readonly<Record<string, unknown>>;
}

/** Features of GoogleSQL that BigQuery does not have; without nanoseconds because BigQuery's timestamps have none. */
const NOT_IN_BIGQUERY =
  /PROTO|EXTENDED_TYPES|EXPERIMENTAL|TIMESTAMP_NANOS|UINT64|LAMBDA|SLASH_PATHS|RETURNING|_FIELDS$|ARRAY_EQUALITY|ARRAY_ORDERING|DIFFERENT_ARRAY_TYPES|KLL_WEIGHTS|_V_1_4_(?!ARRAY_AGGREGATION|CORRESPONDING)/;

/** Ends the server, and removes its folder, when the pipe to the process that started it closes, however that ended. */
const GUARD =
  'exec 3<&0; (cat <&3; kill -9 $$; rm -rf "$0") >/dev/null 2>&1 & exec "$@" "unix:$0/socket" 1 </dev/null 3<&-';

type Message = Record<string, unknown>;
type Client = Record<
  string,
  (request: Message, callback: (error: ServiceError | null, answer: Message) => void) => void
> & { close(): void };

/**
 * GoogleSQL's own analyzer and reference evaluator (BigQuery's language), in a process of its own that ends with
 * close() or with this process. Queries are GoogleSQL as Dataform compiles it; what is wrong in one is thrown as
 * QueryError with line and column.
 */
export class GoogleSqlAnalyzer {
  readonly #client: Client;
  readonly #stop: () => Promise<void>;
  readonly #language: Message;

  private constructor(client: Client, stop: () => Promise<void>, language: Message) {
    this.#client = client;
    this.#stop = stop;
    this.#language = language;
  }

  /** Throws a UserError when there is no analyzer for this platform, or it does not start. */
  static async start(platform = process.platform, arch = process.arch): Promise<GoogleSqlAnalyzer> {
    const library = libraryDir();
    const binary = binaryOf(library, platform, arch);
    const folder = mkdtempSync(join(tmpdir(), "googlesql-"));
    const server = spawn("/bin/sh", ["-c", GUARD, folder, binary]);
    const ended = once(server, "exit");
    let output = "";
    for (const stream of [server.stdout, server.stderr]) {
      stream.on("data", (chunk) => {
        output = `${output}${chunk}`.slice(-2000);
      });
    }
    const listening = new Promise<boolean>((done) => {
      server.stdout.on("data", () => output.includes("listening") && done(true));
      server.on("exit", () => {
        server.stdin.destroy();
        done(false);
      });
    });
    if (!(await listening)) {
      throw new UserError(
        `GoogleSQL's analyzer ${binary} does not start: ${output.trim() || "it says nothing"}.`,
        {
          remedy: "Install its package anew (npm ci); on Linux it needs glibc 2.34 or later.",
        },
      );
    }
    // Nobody waits for an analyzer that was not closed.
    for (const handle of [server, server.stdin, server.stdout, server.stderr])
      (handle as typeof server).unref();

    const definition = loadSync("local_service.proto", {
      includeDirs: [join(library, "protos")],
      keepCase: true,
      longs: String,
      enums: String,
      oneofs: true,
    });
    const { zetasql } = loadPackageDefinition(definition) as Message as {
      zetasql: { local_service: { ZetaSqlLocalService: new (...args: unknown[]) => Client } };
    };
    const client = new zetasql.local_service.ZetaSqlLocalService(
      `unix:${folder}/socket:1`,
      credentials.createInsecure(),
      { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 },
    );
    const stop = async (): Promise<void> => {
      client.close();
      server.stdin.end();
      server.ref();
      await ended;
    };
    const language = await send(client, "GetLanguageOptions", { maximum_features: true });
    language.product_mode = "PRODUCT_EXTERNAL";
    language.enabled_language_features = (language.enabled_language_features as string[]).filter(
      (feature) => !NOT_IN_BIGQUERY.test(feature),
    );
    return new GoogleSqlAnalyzer(client, stop, language);
  }

  /** Output columns and resolved tree of a query. */
  async analyze(
    query: string,
    catalog: Catalog,
    parameters: Readonly<Record<string, Pick<Parameter, "type">>> = {},
  ): Promise<Analysis> {
    // A path without its backticks, and as long: it resolves part by part, its alias is the table's name, and places stay.
    const sql = withPaths(query, (path) =>
      /^[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)+$/.test(path) ? `${path}  ` : `\`${path}\``,
    );
    const answer = await this.#ask(query, "Analyze", {
      sql_statement: sql,
      options: this.#options(parameters),
      simple_catalog: this.#catalog(catalog),
    });
    const statement = (answer.resolved_statement as Message).resolved_query_stmt_node as Message;
    const columns = statement.output_column_list as { name: string; column: { type: TypeMessage } }[];
    return { columns: columns.map(({ name, column }) => ({ name, type: typeName(column.type) })), statement };
  }

  /** Rows of a query, by the reference evaluator; integers above 2^53 are the nearest number. */
  async evaluate(query: string, catalog: Catalog, parameters: Parameters = {}): Promise<Row[]> {
    const contents = catalog.tables.map(({ target, columns, rows = [] }) => {
      const types = columns.map(({ type }) => typeMessage(type));
      const row = rows.map((each) => ({
        cell: columns.map(({ name }, index) => valueMessage(each[name], types[index]!)),
      }));
      return [nameOf(target), { table_data: { row } }];
    });
    const answer = await this.#ask(query, "EvaluateQuery", {
      sql: query,
      options: { ...this.#options(parameters), enabled_rewrites: REWRITES },
      simple_catalog: this.#catalog(catalog),
      table_content: Object.fromEntries(contents),
      params: Object.entries(parameters).map(([name, { type, value }]) => ({
        name,
        value: valueMessage(value, typeMessage(type)),
      })),
    });
    const { columns = [] } = answer.prepared as { columns?: { name: string; type: TypeMessage }[] };
    const { row = [] } = (answer.content as { table_data: { row?: { cell?: Message[] }[] } }).table_data;
    return row.map(({ cell = [] }) =>
      Object.fromEntries(columns.map(({ name, type }, index) => [name, plainValue(cell[index]!, type)])),
    );
  }

  /** Ends the analyzer. */
  async close(): Promise<void> {
    await this.#stop();
  }

  async #ask(query: string, method: string, request: Message): Promise<Message> {
    try {
      return await send(this.#client, method, request);
    } catch (error) {
      const { details, message } = error as ServiceError;
      const [, text, line, column] = /^(.*?)(?: \[at (\d+):(\d+)\])?$/s.exec(details || message)!;
      const position = line === undefined ? undefined : placeOf(query, Number(line), Number(column));
      throw new QueryError(text!, position, error);
    }
  }

  #options(parameters: Readonly<Record<string, Pick<Parameter, "type">>>): Message {
    return {
      language_options: this.#language,
      default_timezone: "UTC",
      error_message_mode: "ERROR_MESSAGE_ONE_LINE",
      preserve_column_aliases: true,
      parse_location_record_type: "PARSE_LOCATION_RECORD_FULL_NODE_SCOPE",
      preserve_unnecessary_cast: true,
      query_parameters: Object.entries(parameters).map(([name, { type }]) => ({
        name,
        type: typeMessage(type),
      })),
    };
  }

  /** Tables by their paths, part by part, and once more at the root, where alone the evaluator finds rows. */
  #catalog({ tables, routines = [], routinesDataset, standIns = {} }: Catalog): Message {
    const projects = new Map<string, Map<string, { table: Message[]; custom_function: Message[] }>>();
    const dataset = (project: string, name: string) => {
      const datasets = projects.get(project) ?? new Map();
      const found = datasets.get(name) ?? { table: [], custom_function: [] };
      projects.set(project, datasets.set(name, found));
      return found as { table: Message[]; custom_function: Message[] };
    };
    const root = tables.map(({ target, columns }, index) => {
      const column = columns.map(({ name, type }) => ({ name, type: typeMessage(type) }));
      const table = { name: target.name, full_name: nameOf(target), column };
      dataset(target.project, target.dataset).table.push({
        ...table,
        serialization_id: String(2 * index + 1),
      });
      return { ...table, name_in_catalog: nameOf(target), serialization_id: String(2 * index + 2) };
    });
    for (const routine of routines) {
      if (routinesDataset === undefined) throw new Error("The catalog's routines have no dataset.");
      const { custom_function } = dataset(routinesDataset.project, routinesDataset.dataset);
      custom_function.push(functionMessage(routine, standIns[routine.name]));
    }
    return {
      name: "catalog",
      builtin_function_options: { language_options: this.#language },
      table: root,
      catalog: [...projects].map(([name, datasets]) => ({
        name,
        catalog: [...datasets].map(([each, content]) => ({ name: each, ...content })),
      })),
    };
  }
}

/** Rewrites that the evaluator needs to run what it has no code for, and that for the stand-ins. */
const REWRITES = ["FLATTEN", "UNPIVOT", "PIVOT", "BUILTIN_FUNCTION_INLINER", "INLINE_SQL_FUNCTIONS"].map(
  (name) => `REWRITE_${name}`,
);

const nameOf = ({ project, dataset, name }: Target): string => `${project}.${dataset}.${name}`;

function libraryDir(): string {
  return join(dirname(createRequire(import.meta.url).resolve("@fivetrandevelopers/zetasql")), "zetasql");
}

function binaryOf(library: string, platform: string, arch: string): string {
  const known = ["darwin", "linux"].includes(platform) && ["arm64", "x64"].includes(arch);
  const name = `remote_server${arch === "arm64" ? "_arm" : ""}${platform === "linux" ? ".so" : ""}`;
  const file = join(library, name);
  if (known && existsSync(file)) return file;
  throw new UserError(`There is no GoogleSQL analyzer for ${platform}-${arch}.`, {
    remedy:
      "Its package has one for linux and darwin on x64 and arm64: check the SQL there, for example in CI.",
  });
}

function send(client: Client, method: string, request: Message): Promise<Message> {
  return new Promise((done, failed) => {
    client[method]!(request, (error, answer) => (error === null ? done(answer) : failed(error)));
  });
}

/** A routine of the stack; with a stand-in, a function written in SQL, which must be of any type to be inlined. */
function functionMessage(
  { name, parameters, returns }: Omit<Routine, "call" | "description">,
  standIn?: string,
): Message {
  const fixed = (type: string): Message => ({
    kind: "ARG_TYPE_FIXED",
    type: typeMessage(type),
    num_occurrences: 1,
  });
  const argument = parameters.map((parameter) => ({
    ...(standIn === undefined ? fixed(parameter.type) : { kind: "ARG_TYPE_ARBITRARY", num_occurrences: 1 }),
    options: { argument_name: parameter.name, named_argument_kind: "POSITIONAL_OR_NAMED" },
  }));
  const declared = {
    name_path: [name],
    mode: "SCALAR",
    signature: [{ argument, return_type: fixed(returns) }],
  };
  if (standIn === undefined) return { ...declared, group: "Routine" };
  return {
    ...declared,
    group: "Templated_SQL_Function",
    templated_sql_function_argument_name: parameters.map((parameter) => parameter.name),
    parse_resume_location: { input: standIn, byte_position: 0 },
  };
}

/** The analyzer counts characters, and a tab as far as the next column of eight; editors count UTF-16 units. */
function placeOf(query: string, line: number, column: number): { line: number; column: number } {
  const text = query.split(/\r\n|\r|\n/)[line - 1] ?? "";
  let seen = 0;
  let units = 0;
  for (const character of text) {
    if (seen >= column - 1) break;
    seen += character === "\t" ? 8 - (seen % 8) : 1;
    units += character.length;
  }
  return { line, column: units + 1 };
}
