import { Cron } from "croner";
import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { type RunSettings, runSettings } from "../contracts/run.ts";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { json } from "../lib/json.ts";
import { isTimeZone } from "../lib/time-zone.ts";
import { UserError } from "../lib/user-error.ts";
import { type Duration, toSeconds, UNITS } from "./duration.ts";

/** Regions that have all the services of the stack. */
export const REGIONS = [
  ...["asia-east1", "asia-northeast1", "asia-south1", "asia-southeast1", "australia-southeast1"],
  ...["europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6"],
  ...["europe-west9", "northamerica-northeast1", "southamerica-east1"],
  ...["us-central1", "us-east1", "us-east4", "us-west1"],
];

/** Regions of Europe that are not in BigQuery's location EU: cloud.google.com/bigquery/docs/locations#multi-regions */
const NOT_IN_EU = ["europe-west2", "europe-west6"];

const BYTES: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, TB: 1e12 };
const PROJECT = "[a-z][a-z0-9-]{4,28}[a-z0-9]";

const matching = (pattern: RegExp, error: string) => z.string(error).regex(pattern, error);
const list = <S extends z.ZodType>(item: S, most = Number.POSITIVE_INFINITY) => {
  const items = z.array(item, "must be a list");
  return json(items.refine(({ length }) => length <= most, `must be at most ${most}`)).default([]);
};

const project = matching(
  RegExp(`^${PROJECT}$`),
  "must be 6 to 30 lower-case letters, digits and hyphens, a letter first",
);
const member = matching(
  /^(user|group|serviceAccount|domain):[^\s:]+$/,
  "must be user:…, group:…, serviceAccount:… or domain:…",
);

const bytes = (fallback: string) =>
  matching(/^[1-9]\d{0,2} [MGT]B$/, "must be 1 to 999 MB, GB or TB, like 100 GB").default(fallback);

const cron = z
  .string()
  .refine(
    isCron,
    "must be a cron expression of five fields: minute, hour, day, month, day of the week, such as 0 6 * * 1 or 0 6 * * MON",
  );

/** What each setting may be; Pulumi.yaml says what it means. The example, or else the default, is a value that is allowed. */
export const declared = z.object({
  environment: z.enum(["dev", "prod"]).meta({ example: "dev" }),
  project: project.meta({ example: "my-project" }),
  region: z.enum(REGIONS).meta({ example: "europe-west1" }),
  warehouseLocation: z
    .enum(["EU", "US", ...REGIONS])
    .optional()
    .meta({ example: "EU" }),
  ordersTable: matching(
    RegExp(`^${PROJECT}\\.\\w{1,1024}\\.[\\w-]{1,1024}$`),
    "must be project.dataset.table",
  ).meta({ example: "my-shop.raw.orders" }),
  marketingProject: project.optional().meta({ example: "my-marketing" }),
  marketingDataset: matching(/^\w{1,1024}$/, "must be letters, digits and underscores").default("mlops_mkt"),
  marketingReaders: list(member).meta({ example: "group:marketing@example.com" }),
  schedule: cron.default("0 6 * * 1"),
  retrainSchedule: cron.optional().meta({ example: "0 6 1 * *" }),
  timeZone: z
    .string()
    .refine(isTimeZone, "must be a time zone like Europe/Paris")
    .default("Etc/UTC")
    .meta({ example: "Europe/Paris" }),
  orchestrator: z
    .enum(["workflows", "composer", "existing-composer"])
    .default("composer")
    .meta({ example: "existing-composer" }),
  composerImageVersion: matching(
    /^composer-3-airflow-\d+\.\d+\.\d+(-build\.\d+)?$/,
    "must be like composer-3-airflow-2.11.1, which takes the newest build, or composer-3-airflow-2.11.1-build.17",
  ).default("composer-3-airflow-2.11.1"),
  // No more than a budget takes: cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets#NotificationsRule
  notificationEmails: list(z.email("must be an e-mail address"), 5).meta({ example: "on-call@example.com" }),
  onDestroy: z.enum(["keep-data", "destroy-data"]).optional().meta({ example: "keep-data" }),
  candidates: list(z.enum(Object.keys(CANDIDATES) as [Candidate, ...Candidate[]])).meta({
    example: "boosting",
  }),
  modelRegistry: z.enum(["off", "vertex-ai"]).default("off").meta({ example: "vertex-ai" }),
  bytesBilledLimit: bytes("100 GB"),
  dailyBytesBilledLimit: bytes("1 TB"),
  messageRetention: z
    .templateLiteral([z.number(), " ", z.enum(UNITS)], { error: "must be like 7 days" })
    .refine(isRetention, "must be 10 minutes to 31 days")
    .default("7 days"),
  invokerCallers: list(member).meta({ example: "group:data-science@example.com" }),
});

/** The settings that existing-composer also needs. */
export const existingComposer = z.object({
  composerEnvironment: matching(
    /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be the name of a Composer environment: lower-case letters, digits and hyphens",
  ).meta({ example: "data-platform" }),
  composerDagBucket: matching(
    /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/,
    "must be the name of a bucket, without gs:// and folder",
  ).meta({ example: "europe-west1-data-platform-bucket" }),
  composerServiceAccount: z
    .email("must be the e-mail address of a service account")
    .meta({ example: "composer@my-project.iam.gserviceaccount.com" }),
});

/** A budget needs both. */
export const budget = z.object({
  monthlyBudget: matching(/^[1-9]\d{0,8}$/, "must be a whole number, in the billing account's currency").meta(
    {
      example: "500",
    },
  ),
  billingAccount: matching(/^[0-9A-F]{6}(-[0-9A-F]{6}){2}$/, "must be like 012345-6789AB-CDEF01").meta({
    example: "012345-6789AB-CDEF01",
  }),
});

/** GitHub's workflows need both. The id stays the same when the repository is renamed, and no other repository ever gets it. */
export const github = z.object({
  githubRepository: matching(/^[\w.-]+\/[\w.-]+$/, "must be owner/name").meta({
    example: "example/customer-value",
  }),
  githubRepositoryId: matching(
    /^[1-9]\d{0,18}$/,
    "must be the repository's number, which gh api repos/OWNER/NAME --jq .id prints",
  ).meta({ example: "123456789" }),
});

/** The part of pulumi.Config that is read; its name is the project's. */
export interface ConfigReader {
  readonly name: string;
  get(key: string): string | undefined;
  /** All keys in the stack's file, with their prefixes, like app:key. */
  readonly given: readonly string[];
}

/** The settings of a stack, complete with defaults. */
export type Settings = ReturnType<typeof readSettings>;

/**
 * The settings of a stack. Throws a UserError that lists, for every wrong one: the key, the value given, what is allowed,
 * and the command that sets it.
 */
export function readSettings(config: ConfigReader, stack: string) {
  const wrong: { what: string; command: string }[] = [];

  function read<S extends z.ZodType>(key: string, schema: S): z.output<S> | undefined {
    const name = `${config.name}:${key}`;
    const given = config.get(key)?.trim() || (key === "environment" ? stack : undefined);
    const result = schema.safeParse(given);
    if (result.success) return result.data;
    const allowed = result.error.issues.map(({ path, message }) => [...path.map(itemOf), message].join(" "));
    const near =
      schema instanceof z.ZodEnum && given !== undefined ? closest(given, schema.options as string[]) : "";
    const nearest = near === "" ? "" : `; the nearest is ${near}`;
    const what = `${name} is ${given ?? "not set"}: ${allowed.join("; ")}${nearest}`;
    wrong.push({ what, command: setCommand(name, schema) });
  }
  const readAll = <S extends z.ZodObject>(schemas: S, keyOf = (name: string) => name) =>
    Object.fromEntries(
      Object.entries(schemas.shape).map(([name, schema]) => [name, read(keyOf(name), schema)]),
    ) as z.output<S>;

  const values = readAll(declared);
  const run = readAll(runSettings, keyOfRunSetting);
  const existing = values.orchestrator === "existing-composer" ? readAll(existingComposer) : undefined;
  const readTogether = <S extends z.ZodObject>(schemas: S) =>
    Object.keys(schemas.shape).some((key) => config.get(key)?.trim()) ? readAll(schemas) : undefined;
  const spending = readTogether(budget);
  const workflows = readTogether(github);
  const location = values.warehouseLocation ?? values.region;
  if (wrong.length === 0 && values.candidates.length > 0 && !isWithin(values.region, location)) {
    const name = `${config.name}:region`;
    const near = { EU: "europe-west1", US: "us-central1" }[location] ?? location;
    const why = `BigQuery writes files of candidates into a bucket there, so it must be in the warehouse's location, ${location}`;
    wrong.push({ what: `${name} is ${values.region}: ${why}`, command: `pulumi config set ${name} ${near}` });
  }
  for (const name of config.given) {
    const key = name.startsWith(`${config.name}:`) ? name.slice(config.name.length + 1) : undefined;
    if (key === undefined || KEYS.includes(key)) continue;
    const what = `${name} is not a setting; the nearest is ${config.name}:${closest(key, KEYS)}`;
    wrong.push({ what, command: `pulumi config rm ${name}` });
  }
  if (wrong.length > 0)
    throw new UserError(wrong.map(({ what }) => what).join("\n"), {
      remedy: wrong.map(({ command }) => command).join("\n"),
    });

  const { environment, project, region, schedule, retrainSchedule, timeZone } = values;
  const { retrain, ...otherRunSettings } = run;
  const retraining =
    retrainSchedule === undefined || retrain === "no"
      ? undefined
      : { schedule, retrain_schedule: retrainSchedule, time_zone: timeZone };
  const [ordersProject = "", ordersDataset = "", ordersTable = ""] = values.ordersTable.split(".");
  return {
    environment,
    project,
    region,
    warehouseLocation: values.warehouseLocation ?? region,
    orders: { project: ordersProject, dataset: ordersDataset, table: ordersTable },
    marketing: {
      project: values.marketingProject ?? project,
      dataset: values.marketingDataset,
      readers: values.marketingReaders,
    },
    schedule: { cron: schedule, timeZone },
    /** When runs fit a new model; undefined: as the run setting retrain says. */
    retraining,
    orchestrator: existing
      ? {
          kind: "existing-composer" as const,
          environment: existing.composerEnvironment,
          dagBucket: existing.composerDagBucket,
          serviceAccount: existing.composerServiceAccount,
        }
      : values.orchestrator === "workflows"
        ? { kind: "workflows" as const }
        : { kind: "composer" as const, imageVersion: values.composerImageVersion },
    notificationEmails: values.notificationEmails,
    protectData: values.onDestroy ? values.onDestroy === "keep-data" : environment === "prod",
    candidates: values.candidates,
    modelRegistry: values.modelRegistry,
    bytesBilledLimit: toBytes(values.bytesBilledLimit),
    dailyBytesBilledLimit: toBytes(values.dailyBytesBilledLimit),
    budget: spending && { billingAccount: spending.billingAccount, monthly: spending.monthlyBudget },
    messageRetention: values.messageRetention satisfies Duration,
    invokerCallers: values.invokerCallers,
    github: workflows && { name: workflows.githubRepository, id: workflows.githubRepositoryId },
    run: (retraining === undefined ? run : otherRunSettings) as Omit<RunSettings, "retrain"> &
      Partial<RunSettings>,
  };
}

/** Whether BigQuery in a location can use a bucket in a region: cloud.google.com/bigquery/docs/exporting-data#data-locations */
function isWithin(region: string, location: string): boolean {
  if (location === "EU") return region.startsWith("europe-") && !NOT_IN_EU.includes(region);
  return location === "US" ? region.startsWith("us-") : region === location;
}

function toBytes(text: string): number {
  const [count, unit = ""] = text.split(" ");
  return Number(count) * BYTES[unit]!;
}

/** The key in Pulumi of a setting of a run: horizon_weeks is horizonWeeks. */
export function keyOfRunSetting(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

const KEYS = [
  ...Object.keys({ ...declared.shape, ...existingComposer.shape, ...budget.shape, ...github.shape }),
  ...Object.keys(runSettings.shape).map(keyOfRunSetting),
];

const itemOf = (index: PropertyKey) => `[${String(index)}]`;

/** The command that sets an example. A list is set as JSON: Pulumi refuses to set an item of what is no list. */
function setCommand(name: string, schema: z.ZodType): string {
  const example = String(schema.meta()?.example ?? schema.parse(undefined));
  const isList = schema instanceof z.ZodDefault && Array.isArray(schema.parse(undefined));
  const value = isList ? JSON.stringify([example]) : example;
  return `pulumi config set ${name} ${/^[\w.:/@-]+$/.test(value) ? value : `'${value}'`}`;
}

/** Five fields that Cloud Scheduler and Airflow both read: cloud.google.com/scheduler/docs/configuring/cron-job-schedules (no L, W, #). */
const CRON_FIELD =
  "(\\d|[*,/-]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)+";
const CRON = new RegExp(`^${CRON_FIELD}( ${CRON_FIELD}){4}$`);

function isCron(text: string): boolean {
  try {
    return CRON.test(text) && new Cron(text).nextRun() !== null;
  } catch {
    return false;
  }
}

function isRetention(duration: Duration): boolean {
  const seconds = toSeconds(duration);
  return seconds >= toSeconds("10 minutes") && seconds <= toSeconds("31 days");
}
