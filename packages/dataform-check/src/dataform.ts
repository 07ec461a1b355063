import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import vm from "node:vm";
import protobuf from "protobufjs";
import type { Target } from "./query.ts";
import { UserError } from "./user-error.ts";

/**
 * How a model is stored. `view`; `table`, replaced by each run; `partition`, a table of which a run replaces the
 * partition of its date; `append`, a table to which jobs add rows and that no run replaces.
 */
export type Materialization = "view" | "table" | "partition" | "append";

/** What a warehouse needs to create a table or view. */
export interface Model {
  readonly target: Target;
  readonly materialization: Materialization;
  /** GoogleSQL, one SELECT. */
  readonly query: string;
  readonly partitionBy: string | undefined;
  readonly clusterBy: readonly string[];
  /** Whether a database that does not cluster stores new rows in the order of clusterBy. */
  readonly sorted?: true;
  /** Of a partition: the rows that a run replaces, as a condition. @default those of its run date */
  readonly updatePartitionFilter?: string;
}

/** A model or assertion of the project, compiled to GoogleSQL. */
export interface Action extends Model {
  readonly kind: "model" | "assertion";
  readonly tags: readonly string[];
  readonly description: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly dependencies: readonly Target[];
  /** File below the project's folder. */
  readonly file: string;
}

/** A table that the project declares and does not create. */
export interface Source {
  readonly target: Target;
  readonly description: string;
  /** File below the project's folder. */
  readonly file: string;
  /** `type` is the only tag of the column in the declaration: Dataform has no place for types. Empty without one. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly description: string }[];
}

/** A compiled project. Disabled actions are not among the actions. */
export interface Graph {
  readonly actions: readonly Action[];
  readonly sources: readonly Source[];
  /** Project and dataset of the actions that name none. */
  readonly home: { readonly project: string; readonly dataset: string };
  /** Tables that queries can read, with columns that are not known here, and why. */
  readonly opaque: readonly { readonly target: Target; readonly why: string }[];
  /** What the project uses and this package ignores, one line each. */
  readonly ignored: readonly string[];
}

/** Replaces settings and vars of workflow_settings.yaml. */
export interface Overrides {
  readonly project?: string;
  readonly vars?: Readonly<Record<string, string>>;
}

/** The parts of @dataform/core's CompiledGraph that are used here. */
interface Compiled {
  readonly target: { readonly database: string; readonly schema: string; readonly name: string };
  readonly fileName: string;
  readonly disabled: boolean;
  readonly actionDescriptor?: {
    readonly description: string;
    readonly columns: readonly { path: readonly string[]; description: string; tags: readonly string[] }[];
  } | null;
}
interface CompiledQuery extends Compiled {
  /** Of a table only. */
  readonly type?: "view" | "table" | "incremental";
  readonly query: string;
  readonly tags: readonly string[];
  readonly preOps?: readonly string[];
  readonly postOps?: readonly string[];
  readonly dependencyTargets: readonly Compiled["target"][];
  readonly bigquery?: {
    readonly partitionBy: string;
    readonly clusterBy: readonly string[];
    readonly updatePartitionFilter: string;
  } | null;
}
interface CompiledGraph {
  readonly projectConfig: { readonly defaultDatabase: string; readonly defaultSchema: string };
  readonly tables: readonly CompiledQuery[];
  readonly assertions: readonly CompiledQuery[];
  readonly operations: readonly Compiled[];
  readonly notebooks: readonly Compiled[];
  readonly dataPreparations: readonly Compiled[];
  readonly declarations: readonly Compiled[];
  readonly graphErrors: {
    readonly compilationErrors: readonly { fileName: string; message: string }[];
  } | null;
}

const targetOf = ({ database, schema, name }: Compiled["target"]): Target => ({
  project: database,
  dataset: schema,
  name,
});

/**
 * Compiles a Dataform project with @dataform/core.
 * @throws UserError that names the file when the project does not compile.
 */
export function compile(projectDir: string, overrides: Overrides = {}): Graph {
  const compiled = runCore(projectDir, overrides);
  const errors = compiled.graphErrors?.compilationErrors ?? [];
  if (errors.length > 0) {
    const lines = errors.map(({ fileName, message }) => `${join(projectDir, fileName)}: ${message}`);
    const isOld = existsSync(join(projectDir, "dataform.json"));
    throw new UserError([...new Set(lines)].join("\n"), isOld ? { remedy: OLD_SETTINGS } : {});
  }
  const queries = [...compiled.tables, ...compiled.assertions];
  const enabled = queries.filter(({ disabled }) => !disabled);
  const others = [
    ...compiled.operations.map((each) => ({ ...each, what: "operation" })),
    ...compiled.notebooks.map((each) => ({ ...each, what: "notebook" })),
    ...compiled.dataPreparations.map((each) => ({ ...each, what: "data preparation" })),
  ];
  const ignored = [
    ...others.filter(({ disabled }) => !disabled).map(({ fileName, what }) => `${fileName}: ${what}s`),
    ...enabled.filter(({ preOps }) => preOps?.length).map(({ fileName }) => `${fileName}: pre_operations`),
    ...enabled.filter(({ postOps }) => postOps?.length).map(({ fileName }) => `${fileName}: post_operations`),
  ];
  return {
    home: { project: compiled.projectConfig.defaultDatabase, dataset: compiled.projectConfig.defaultSchema },
    actions: enabled.map(toAction),
    sources: compiled.declarations.map((declaration) => ({
      target: targetOf(declaration.target),
      description: declaration.actionDescriptor?.description ?? "",
      file: declaration.fileName,
      columns: (declaration.actionDescriptor?.columns ?? []).map(
        ({ path, description, tags: [type = ""] }) => ({ name: path.join("."), type, description }),
      ),
    })),
    opaque: [
      ...queries
        .filter(({ disabled }) => disabled)
        .map((each) => ({ target: targetOf(each.target), why: "is disabled" })),
      ...others.map((each) => ({ target: targetOf(each.target), why: `is not a SELECT (${each.what})` })),
    ],
    ignored: [...new Set(ignored)].map((line) => `${join(projectDir, line)} are not supported.`),
  };
}

function toAction(compiled: CompiledQuery): Action {
  const { target, type, query, fileName, tags, dependencyTargets, bigquery, actionDescriptor } = compiled;
  const incremental = tags.includes("append") ? "append" : "partition";
  return {
    kind: type === undefined ? "assertion" : "model",
    target: targetOf(target),
    materialization: type === "incremental" ? incremental : (type ?? "view"),
    query,
    partitionBy: bigquery?.partitionBy || undefined,
    clusterBy: bigquery?.clusterBy ?? [],
    ...(tags.includes("sorted") && { sorted: true }),
    ...(bigquery?.updatePartitionFilter ? { updatePartitionFilter: bigquery.updatePartitionFilter } : {}),
    tags,
    description: actionDescriptor?.description ?? "",
    columns: Object.fromEntries(
      (actionDescriptor?.columns ?? []).map(({ path, description }) => [path.join("."), description]),
    ),
    dependencies: dependencyTargets.map(targetOf),
    file: fileName,
  };
}

const OLD_SETTINGS =
  "The project has dataform.json, the settings of Dataform 2, and is compiled with Dataform 3, which does not have all JavaScript functions of Dataform 2.";

/** What @dataform/core answers to a request to compile the folder. */
function runCore(projectDir: string, { project, vars }: Overrides): CompiledGraph {
  const root = resolve(projectDir);
  const coreFile = createRequire(import.meta.url).resolve("@dataform/core");
  const types = protobuf.loadSync(join(dirname(coreFile), "core.proto"));
  const request = types.lookupType("dataform.CoreExecutionRequest");
  const response = types.lookupType("dataform.CoreExecutionResponse");
  try {
    const filePaths = readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
      .filter((file) => !/(^|\/)(node_modules|\.git)\//.test(file));
    const projectConfigOverride = { defaultDatabase: project, vars };
    const compileConfig = { projectDir: root, filePaths, projectConfigOverride };
    const message = request.encode(request.fromObject({ compile: { compileConfig } })).finish();
    const answer = loadCore(root, coreFile).main(Buffer.from(message).toString("base64"));
    const decoded = response.toObject(response.decode(Buffer.from(answer, "base64")), {
      enums: String,
      defaults: true,
    });
    return decoded.compile.compiledGraph;
  } catch (error) {
    // Errors from another context are not instances of this context's Error.
    const { message = String(error) } = error as { message?: string };
    throw new UserError(`The Dataform project ${projectDir} does not compile: ${message}`, { cause: error });
  }
}

interface Core {
  compiler(code: string, path: string): string;
  main(request: string): string;
}

/**
 * Loads @dataform/core in a new context whose require() compiles the project's .sqlx, .yaml and .js files, like the
 * Dataform CLI does. Core keeps its session in globals, so each compilation needs a new context.
 */
function loadCore(root: string, coreFile: string): Core {
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
    wrapper((name: string) => requireModule(name, file), module, module.exports);
    return module.exports;
  };
  const requireModule = (name: string, from: string): unknown => {
    if (name === "@dataform/core") return core;
    if (["fs", "os", "path", "util"].includes(name)) return createRequire(import.meta.url)(name);
    const file = moduleFile(name, from === coreFile ? join(root, "core") : from, root);
    const loaded = modules.get(file);
    if (loaded !== undefined) return loaded.exports;
    const text = readFileSync(file, "utf8");
    if (!file.endsWith(".json")) return evaluate(file, core!.compiler(text, file));
    const { gcloudProjectId, ...settings } = JSON.parse(text);
    // Dataform 2 has this name for the project in dataform.json, Dataform 3 does not know it.
    if (gcloudProjectId !== undefined) settings.defaultDatabase ??= gcloudProjectId;
    return evaluate(file, `module.exports = ${JSON.stringify(settings)}`);
  };

  core = evaluate(coreFile, readFileSync(coreFile, "utf8")) as Core;
  return core;
}

/** The file of a required module: relative to the file that requires it, to the project, or in its node_modules. */
function moduleFile(name: string, from: string, root: string): string {
  const { resolve: resolveModule } = createRequire(from);
  const inProject = join(root, name);
  if (!name.startsWith(".") && existsSync(inProject) && /\.\w+$/.test(name)) return inProject;
  for (const candidate of name.startsWith(".") ? [name, inProject] : [inProject, name]) {
    try {
      return resolveModule(candidate);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  // Core asks for files that may be missing, and expects Node's message.
  if (/\.(ya?ml|json)$/.test(name)) throw new Error(`Cannot find module '${name}'`);
  const by = relative(root, from);
  if (/^[./]|^includes\//.test(name)) throw new Error(`${by} requires ${name}, which is not there.`);
  throw new Error(
    `${by} requires the package ${name}, which is not installed. Run: npm install --prefix ${root}`,
  );
}
