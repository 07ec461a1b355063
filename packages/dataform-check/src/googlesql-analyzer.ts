import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ServiceError } from "@grpc/grpc-js";
import { withPaths } from "./googlesql-to-duckdb.ts";
import { plainValue, type TypeMessage, typeMessage, typeName, valueMessage } from "./googlesql-values.ts";
import {
  type Column,
  fullNameOf,
  type Parameters,
  type Position,
  QueryError,
  type Routine,
  type Row,
  type Target,
} from "./query.ts";
import type { Node } from "./resolved-tree.ts";
import { UserError } from "./user-error.ts";

/** A table that queries can read. */
export interface Table {
  readonly target: Target;
  readonly columns: readonly Column[];
  /** The rows that the evaluator reads. Dates are YYYY-MM-DD, timestamps ISO 8601. @default none */
  readonly rows?: readonly Row[];
}

/** The tables and routines that a query can use. */
export interface Catalog {
  readonly tables: readonly Table[];
  readonly routines?: readonly Pick<Routine, "name" | "parameters" | "returns">[];
  /** Where the routines are. */
  readonly home?: { readonly project: string; readonly dataset: string };
  /**
   * GoogleSQL expressions by name of routine, with its parameters, that the evaluator uses instead of the routine,
   * because it runs no JavaScript. The analyzer then accepts any types for the routine's parameters.
   */
  readonly sqlStubs?: Readonly<Record<string, string>>;
}

export interface Analysis {
  readonly columns: readonly Column[];
  /**
   * ResolvedQueryStmtProto as JSON, with int64 as text. Its name for a table is project.dataset.name, its places are
   * byte offsets in the query.
   */
  readonly statement: Node;
}

/** Features of GoogleSQL that BigQuery does not have. BigQuery's timestamps have microseconds. */
const NOT_IN_BIGQUERY =
  /PROTO|EXTENDED_TYPES|EXPERIMENTAL|TIMESTAMP_NANOS|UINT64|LAMBDA|SLASH_PATHS|RETURNING|_FIELDS$|ARRAY_EQUALITY|ARRAY_ORDERING|DIFFERENT_ARRAY_TYPES|KLL_WEIGHTS|_V_1_4_(?!ARRAY_AGGREGATION|CORRESPONDING)/;

/** Stops the server and removes its folder when its standard input closes, so also when this process is killed. */
const KILL_WITH_PARENT =
  'exec 3<&0; (cat <&3; kill -9 $$; rm -rf "$0") >/dev/null 2>&1 & exec "$@" "unix:$0/socket" 1 </dev/null 3<&-';

type Message = Record<string, unknown>;
type Answer = (error: ServiceError | null, answer: Message) => void;
type Client = Record<string, (request: Message, answer: Answer) => void> & { close(): void };

/**
 * The analyzer and reference evaluator of GoogleSQL, BigQuery's language, in a child process that stops with close() or
 * with this process. All methods throw QueryError with line and column for a query that is not valid.
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

  /** @throws UserError when the analyzer is not installed, not made for this platform, or does not start. */
  static async start(platform = process.platform, arch = process.arch): Promise<GoogleSqlAnalyzer> {
    const library = libraryDir();
    const binary = binaryOf(library, platform, arch);
    const folder = mkdtempSync(join(tmpdir(), "googlesql-"));
    const server = spawn("/bin/sh", ["-c", KILL_WITH_PARENT, folder, binary]);
    const ended = once(server, "exit");
    let output = "";
    const isListening = await new Promise<boolean>((done) => {
      for (const stream of [server.stdout, server.stderr])
        stream.on("data", (chunk) => {
          output = `${output}${chunk}`.slice(-2000);
          if (output.includes("listening")) done(true);
        });
      server.on("exit", () => done(false));
    });
    if (!isListening) {
      server.stdin.destroy();
      throw new UserError(`GoogleSQL's analyzer ${binary} does not start: ${output.trim() || "no output"}.`, {
        remedy: "Install its package again (npm ci). On Linux it needs glibc 2.34 or later.",
      });
    }
    // So that this process can end without close().
    for (const handle of [server, server.stdin, server.stdout, server.stderr])
      (handle as typeof server).unref();

    const { credentials, loadPackageDefinition } = await import("@grpc/grpc-js");
    const { loadSync } = await import("@grpc/proto-loader");
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
  async analyze(query: string, catalog: Catalog, parameters: ParameterTypes = {}): Promise<Analysis> {
    // Without backticks a path resolves part by part and its alias is the table's name. Blanks keep the places.
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

  /** Checks only the syntax. */
  async parse(query: string): Promise<void> {
    await this.#ask(query, "ExtractTableNamesFromStatement", {
      sql_statement: query,
      options: this.#language,
    });
  }

  /** Rows of a query, by the reference evaluator. Integers above 2^53 become the nearest number. */
  async evaluate(query: string, catalog: Catalog, parameters: Parameters = {}): Promise<Row[]> {
    const contents = catalog.tables.map(({ target, columns, rows = [] }) => {
      const types = columns.map(({ type }) => typeMessage(type));
      const row = rows.map((each) => ({
        cell: columns.map(({ name }, index) => valueMessage(each[name], types[index]!)),
      }));
      return [fullNameOf(target), { table_data: { row } }];
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

  async close(): Promise<void> {
    await this.#stop();
  }

  async #ask(query: string, method: string, request: Message): Promise<Message> {
    try {
      return await send(this.#client, method, request);
    } catch (error) {
      const { details, message } = error as ServiceError;
      const [, text, line, column] = /^(.*?)(?: \[at (\d+):(\d+)\])?$/s.exec(details || message)!;
      const position = line === undefined ? undefined : editorPosition(query, Number(line), Number(column));
      throw new QueryError(text!, position, error);
    }
  }

  #options(parameters: ParameterTypes): Message {
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

  /** Every table is there twice: nested by project and dataset for names, and at the root for the evaluator's rows. */
  #catalog({ tables, routines = [], home, sqlStubs = {} }: Catalog): Message {
    const projects: Record<string, Record<string, { table: Message[]; custom_function: Message[] }>> = {};
    const dataset = (project: string, name: string) => {
      projects[project] ??= {};
      projects[project][name] ??= { table: [], custom_function: [] };
      return projects[project][name];
    };
    const root = tables.map(({ target, columns }, index) => {
      const column = columns.map(({ name, type }) => ({ name, type: typeMessage(type) }));
      const table = { name: target.name, full_name: fullNameOf(target), column };
      dataset(target.project, target.dataset).table.push({ ...table, serialization_id: 2 * index + 1 });
      return { ...table, name_in_catalog: fullNameOf(target), serialization_id: 2 * index + 2 };
    });
    if (home !== undefined)
      dataset(home.project, home.dataset).custom_function.push(
        ...routines.map((routine) => functionMessage(routine, sqlStubs[routine.name])),
      );
    return {
      name: "catalog",
      builtin_function_options: { language_options: this.#language },
      table: root,
      catalog: Object.entries(projects).map(([name, datasets]) => ({
        name,
        catalog: Object.entries(datasets).map(([each, content]) => ({ name: each, ...content })),
      })),
    };
  }
}

type ParameterTypes = Readonly<Record<string, { readonly type: string }>>;

/** Rewrites that the evaluator needs, for some operators and for the SQL stubs. */
const REWRITES = ["FLATTEN", "UNPIVOT", "PIVOT", "BUILTIN_FUNCTION_INLINER", "INLINE_SQL_FUNCTIONS"].map(
  (name) => `REWRITE_${name}`,
);

function libraryDir(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("@fivetrandevelopers/zetasql")), "zetasql");
  } catch (cause) {
    throw new UserError("GoogleSQL's analyzer is not installed.", {
      remedy: "Run: npm install --save-dev @fivetrandevelopers/zetasql @grpc/grpc-js @grpc/proto-loader",
      cause,
    });
  }
}

function binaryOf(library: string, platform: string, arch: string): string {
  const known = ["darwin", "linux"].includes(platform) && ["arm64", "x64"].includes(arch);
  const file = `remote_server${arch === "arm64" ? "_arm" : ""}${platform === "linux" ? ".so" : ""}`;
  if (known && existsSync(join(library, file))) return join(library, file);
  throw new UserError(`There is no GoogleSQL analyzer for ${platform}-${arch}.`, {
    remedy: "There is one for linux and darwin, on x64 and arm64. Check the SQL there, for example in CI.",
  });
}

function send(client: Client, method: string, request: Message): Promise<Message> {
  return promisify(client[method]!.bind(client))(request);
}

/** A routine as a custom function. A function in SQL is inlined only when its parameters have any type. */
function functionMessage(
  { name, parameters, returns }: Pick<Routine, "name" | "parameters" | "returns">,
  sqlStub?: string,
): Message {
  const fixed = (type: string) => ({ kind: "ARG_TYPE_FIXED", type: typeMessage(type), num_occurrences: 1 });
  const argument = parameters.map((parameter) => ({
    ...(sqlStub === undefined ? fixed(parameter.type) : { kind: "ARG_TYPE_ARBITRARY", num_occurrences: 1 }),
    options: { argument_name: parameter.name, named_argument_kind: "POSITIONAL_OR_NAMED" },
  }));
  const stub = {
    group: "Templated_SQL_Function",
    templated_sql_function_argument_name: parameters.map((parameter) => parameter.name),
    parse_resume_location: { input: sqlStub, byte_position: 0 },
  };
  return {
    name_path: [name],
    mode: "SCALAR",
    signature: [{ argument, return_type: fixed(returns) }],
    ...(sqlStub === undefined ? { group: "Routine" } : stub),
  };
}

/** The analyzer counts characters, and a tab up to the next column of eight. Editors count UTF-16 units. */
function editorPosition(query: string, line: number, column: number): Position {
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
