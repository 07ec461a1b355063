import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import vm from "node:vm";
import protobuf from "protobufjs";
import { z } from "zod";
import type { Materialization, Model, Target } from "../../../contracts/warehouse.ts";
import { UserError } from "../../../lib/user-error.ts";

/** A model or assertion of the project, compiled to GoogleSQL. */
export interface Action extends Model {
  readonly kind: "model" | "assertion";
  readonly tags: readonly string[];
  readonly description: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly dependencies: readonly Target[];
  /** File below the project's folder, with its text. */
  readonly file: string;
}

/** The compiled project: actions, and the tables of others that they read. */
export interface Graph {
  readonly actions: readonly Action[];
  readonly sources: readonly Source[];
  /** Where the routines are, and every model that names no other place. */
  readonly home: { readonly project: string; readonly dataset: string };
}

/** A table of others, with the columns that they promise: GoogleSQL's type is the column's only tag. */
export interface Source {
  readonly target: Target;
  readonly description: string;
  /** File below the project's folder that declares it. */
  readonly file: string;
  readonly columns: readonly { readonly name: string; readonly type: string; readonly description: string }[];
}

/** Where the tables are: replaces settings and vars of workflow_settings.yaml. */
export interface Overrides {
  readonly project?: string;
  readonly vars?: Readonly<Record<string, string>>;
}

const target = z
  .object({ database: z.string(), schema: z.string(), name: z.string() })
  .transform(({ database, schema, name }): Target => ({ project: database, dataset: schema, name }));
const descriptor = z
  .object({
    description: z.string().default(""),
    columns: z
      .array(
        z.object({
          path: z.array(z.string()),
          description: z.string().default(""),
          tags: z.array(z.string()).default([]),
        }),
      )
      .default([]),
  })
  .prefault({});
const compiledAction = z.object({
  target,
  type: z.string().default("assertion"),
  query: z.string(),
  fileName: z.string(),
  tags: z.array(z.string()).default([]),
  preOps: z.array(z.string()).default([]),
  postOps: z.array(z.string()).default([]),
  dependencyTargets: z.array(target).default([]),
  bigquery: z
    .object({ partitionBy: z.string().optional(), clusterBy: z.array(z.string()).default([]) })
    .prefault({}),
  actionDescriptor: descriptor,
});
const compiledGraph = z.object({
  projectConfig: z.object({ defaultDatabase: z.string(), defaultSchema: z.string() }),
  tables: z.array(compiledAction).default([]),
  assertions: z.array(compiledAction).default([]),
  operations: z.array(z.object({ fileName: z.string() })).default([]),
  declarations: z.array(z.object({ target, fileName: z.string(), actionDescriptor: descriptor })).default([]),
  graphErrors: z
    .object({
      compilationErrors: z
        .array(z.object({ fileName: z.string().default(""), message: z.string() }))
        .default([]),
    })
    .prefault({}),
});

/**
 * Compiles a Dataform project with @dataform/core, in a context of its own.
 * Throws a UserError that names the file when the project can't be compiled.
 */
export function compile(projectDir: string, overrides: Overrides = {}): Graph {
  const { request, response } = protocol();
  const override = {
    ...(overrides.project === undefined ? {} : { defaultDatabase: overrides.project }),
    ...(overrides.vars === undefined ? {} : { vars: overrides.vars }),
  };
  let answer: string;
  try {
    const filePaths = readdirSync(projectDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(projectDir, join(entry.parentPath, entry.name)).split(sep).join("/"));
    const encoded = request.encode(
      request.fromObject({
        compile: {
          compileConfig: { projectDir: resolve(projectDir), filePaths, projectConfigOverride: override },
        },
      }),
    );
    answer = loadCore(resolve(projectDir)).main(Buffer.from(encoded.finish()).toString("base64"));
  } catch (error) {
    throw new UserError(`The SQL project ${projectDir} can't be compiled: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const decoded = response.toObject(response.decode(Buffer.from(answer, "base64")), { enums: String });
  const graph = compiledGraph.parse(decoded.compile.compiledGraph);
  const errors = graph.graphErrors.compilationErrors;
  if (errors.length > 0) {
    throw new UserError(
      errors.map(({ fileName, message }) => `${join(projectDir, fileName)}: ${message}`).join("\n"),
    );
  }
  const withOperations = graph.tables.filter(({ preOps, postOps }) => preOps.length + postOps.length > 0);
  for (const { fileName } of [...graph.operations, ...withOperations]) {
    throw new UserError(
      `${join(projectDir, fileName)}: operations are not supported, only one SELECT a file.`,
    );
  }
  const { defaultDatabase, defaultSchema } = graph.projectConfig;
  return {
    home: { project: defaultDatabase, dataset: defaultSchema },
    actions: [
      ...graph.tables.map((table) => toAction(table, "model")),
      ...graph.assertions.map((a) => toAction(a, "assertion")),
    ],
    sources: graph.declarations.map((d) => ({
      target: d.target,
      description: d.actionDescriptor.description,
      file: d.fileName,
      columns: d.actionDescriptor.columns.map(({ path, description, tags: [type = ""] }) => ({
        name: path.join("."),
        type,
        description,
      })),
    })),
  };
}

function toAction(compiled: z.output<typeof compiledAction>, kind: Action["kind"]): Action {
  const { target, query, fileName, tags, dependencyTargets, bigquery, actionDescriptor } = compiled;
  const materializations: Record<string, Materialization> = {
    view: "view",
    table: "table",
    incremental: tags.includes("log") ? "log" : "partition",
    assertion: "view",
  };
  const materialization = materializations[compiled.type];
  if (materialization === undefined) {
    throw new UserError(
      `${fileName}: type "${compiled.type}" is not supported. Use view, table, incremental or assertion.`,
    );
  }
  return {
    kind,
    target,
    materialization,
    query,
    partitionBy: bigquery.partitionBy,
    clusterBy: bigquery.clusterBy,
    tags,
    description: actionDescriptor.description,
    columns: Object.fromEntries(
      actionDescriptor.columns.map(({ path, description }) => [path.join("."), description]),
    ),
    dependencies: dependencyTargets,
    file: fileName,
  };
}

interface Core {
  compiler(code: string, path: string): string;
  main(request: string): string;
}

/**
 * Loads @dataform/core in a fresh context whose require() compiles the project's .sqlx, .yaml and .js files, as the
 * Dataform CLI does: core keeps its session in globals, and each compilation must start with an empty one.
 */
function loadCore(projectDir: string): Core {
  const native = createRequire(import.meta.url);
  const corePath = native.resolve("@dataform/core");
  const context: vm.Context = vm.createContext({ console, Buffer, URL, TextEncoder, TextDecoder });
  context.global = context;
  const modules = new Map<string, { exports: unknown }>();
  let core: Core | undefined;

  const evaluate = (file: string, code: string): unknown => {
    const module = { exports: {} };
    modules.set(file, module);
    const wrapper = vm.runInContext(`(function (require, module, exports) {${code}\n})`, context, {
      filename: file,
    });
    wrapper(requireModule, module, module.exports);
    return module.exports;
  };
  const requireModule = (name: string): unknown => {
    if (name === "@dataform/core") return core;
    if (["fs", "os", "path", "util"].includes(name)) return native(name);
    const file = resolve(projectDir, name);
    return modules.get(file)?.exports ?? evaluate(file, core!.compiler(readFileSync(file, "utf8"), file));
  };

  core = evaluate(corePath, readFileSync(corePath, "utf8")) as Core;
  return core;
}

let protocolTypes: { request: protobuf.Type; response: protobuf.Type } | undefined;

function protocol(): { request: protobuf.Type; response: protobuf.Type } {
  if (protocolTypes === undefined) {
    const coreDir = dirname(createRequire(import.meta.url).resolve("@dataform/core"));
    const root = protobuf.loadSync(join(coreDir, "core.proto"));
    protocolTypes = {
      request: root.lookupType("dataform.CoreExecutionRequest"),
      response: root.lookupType("dataform.CoreExecutionResponse"),
    };
  }
  return protocolTypes;
}

function messageOf(error: unknown): string {
  // Errors from another context are not instances of this one's Error.
  return (error as { message?: string }).message ?? String(error);
}
