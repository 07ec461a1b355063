import { deployPermissions } from "../components/deploy-permissions.ts";
import { type Context, type Finding, missing, ok } from "./check.ts";
import type { Response } from "./cloud-client.ts";
import { APIS, planBootstrap } from "./plan.ts";
import { gcloudAccount } from "./tools.ts";

/** What bootstrap itself needs, and the right to run services as their accounts. */
const BOOTSTRAP_PERMISSIONS = [
  ...["resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"],
  ...["cloudkms.keyRings.create", "cloudkms.cryptoKeys.create", "iam.serviceAccounts.actAs"],
  ...["cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeyVersions.useToDecrypt"],
];
/** Limit of projects.testIamPermissions. */
const PERMISSIONS_PER_CALL = 100;

/** Columns of the orders that sql/ reads, and their types. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  order_id: ["STRING"],
  customer_id: ["STRING"],
  ordered_at: ["TIMESTAMP"],
  amount: ["FLOAT", "NUMERIC", "BIGNUMERIC", "INTEGER"],
};

/** CPUs of Vertex AI's default machine, e2-standard-4. Steps run one after the other. */
const CPUS = 4;

export async function exists({ client, settings: { project } }: Context): Promise<Finding> {
  const found = await client.call(`cloudresourcemanager.googleapis.com/v3/projects/${project}`);
  if (found?.state === "ACTIVE") return ok(project);
  return found === undefined
    ? missing(`${project} does not exist, or you may not see it`, `gcloud projects create ${project}`)
    : missing(`${project} is ${found.state}`, `gcloud projects undelete ${project}`);
}

export async function billing({ client, settings: { project, budget } }: Context): Promise<Finding> {
  const found = await client.call(`cloudbilling.googleapis.com/v1/projects/${project}/billingInfo`);
  if (found?.billingEnabled) return ok(found.billingAccountName);
  const first = '"$(gcloud billing accounts list --filter open=true --format "value(name)" --limit 1)"';
  const link = `gcloud billing projects link ${project} --billing-account ${budget?.billingAccount ?? first}`;
  return missing(`${project} has no billing account`, link);
}

export async function permissions(context: Context): Promise<Finding> {
  const { project } = context.settings;
  const needed = [...new Set([...deployPermissions(), ...BOOTSTRAP_PERMISSIONS])];
  const url = `cloudresourcemanager.googleapis.com/v3/projects/${project}:testIamPermissions`;
  const granted: string[] = [];
  for (let from = 0; from < needed.length; from += PERMISSIONS_PER_CALL) {
    const part = needed.slice(from, from + PERMISSIONS_PER_CALL);
    granted.push(...((await context.client.call(url, { permissions: part }))?.permissions ?? []));
  }
  const lacking = needed.filter((permission) => !granted.includes(permission));
  if (lacking.length === 0) return ok(`all ${needed.length}`);
  const account = await gcloudAccount(context);
  const member = `${account.endsWith("gserviceaccount.com") ? "serviceAccount" : "user"}:${account}`;
  return missing(
    `${lacking.length} of ${needed.length} are missing: ${firstThree(lacking)}`,
    `gcloud projects add-iam-policy-binding ${project} --member ${member} --role roles/owner`,
  );
}

export async function apis({ client, stack, app, settings }: Context): Promise<Finding> {
  const parent = `projects/${settings.project}/services`;
  const names = Object.keys(APIS).map((api) => `names=${parent}/${api}`);
  const found = await client.call(`serviceusage.googleapis.com/v1/${parent}:batchGet?${names.join("&")}`);
  const services: Response[] = found?.services ?? [];
  const on = services.filter((it) => it.state === "ENABLED").map((it) => it.config.name);
  const off = Object.keys(APIS).filter((api) => !on.includes(api));
  if (off.length === 0) return ok(`all ${on.length} are on`);
  return missing(
    `${off.length} are off: ${firstThree(off)}`,
    planBootstrap(stack, settings, app)[0]!.command,
  );
}

export async function composer(context: Context): Promise<Finding> {
  const { project, region, orchestrator } = context.settings;
  if (orchestrator.kind === "workflows") return ok("not needed: the orchestrator is workflows");
  const parent = `composer.googleapis.com/v1/projects/${project}/locations/${region}`;
  if (orchestrator.kind === "composer") {
    const { imageVersion } = orchestrator;
    const found = await context.client.call(`${parent}/imageVersions?pageSize=1000`);
    const offered: string[] = (found?.imageVersions ?? [])
      .filter((it: Response) => !it.creationDisabled)
      .map((it: Response) => it.imageVersionId);
    // Without a build it is an alias of the newest one.
    if (offered.some((it) => it === imageVersion || it.startsWith(`${imageVersion}-build.`)))
      return ok(`${region} has ${imageVersion}`);
    const similar = offered.find((it) => it.startsWith(imageVersion.replace(/\.\d+(-build.*)?$/, ".")));
    const fix: [string, string] = similar ? ["composerImageVersion", similar] : ["region", "europe-west1"];
    return missing(`${region} has no ${imageVersion}`, setting(context, ...fix));
  }
  const { environment, dagBucket } = orchestrator;
  const found = await context.client.call(`${parent}/environments/${environment}`);
  const list = `gcloud composer environments list --project ${project} --locations ${region}`;
  if (found === undefined) return missing(`${environment} does not exist in ${region}`, list);
  const bucket: string = found.config?.dagGcsPrefix?.replace(/^gs:\/\/|\/.*$/g, "");
  if (bucket === dagBucket) return ok(`${environment}, with its DAGs in ${bucket}`);
  return missing(
    `the DAGs of ${environment} are in ${bucket}`,
    setting(context, "composerDagBucket", bucket),
  );
}

export async function orders(context: Context): Promise<Finding> {
  const { orders, warehouseLocation } = context.settings;
  const { project, dataset, table } = orders;
  const url = `bigquery.googleapis.com/bigquery/v2/projects/${project}/datasets/${dataset}`;
  const guide = "less docs/deploy.md   # the section Orders loads them";
  const location: string | undefined = (await context.client.call(url))?.location;
  if (location === undefined) return missing(`there is no dataset ${project}.${dataset}`, guide);
  if (location.toLowerCase() !== warehouseLocation.toLowerCase())
    return missing(
      `${dataset} is in ${location}, but the stack's tables are in ${warehouseLocation}: a query can't read both`,
      setting(context, "warehouseLocation", location),
    );
  const found = await context.client.call(`${url}/tables/${table}`);
  if (found === undefined) return missing(`there is no table ${project}.${dataset}.${table}`, guide);
  const types = new Map<string, string>(found.schema.fields.map((it: Response) => [it.name, it.type]));
  const wrong = Object.entries(COLUMNS)
    .filter(([column, allowed]) => !allowed.includes(types.get(column) ?? ""))
    .map(
      ([column, allowed]) => `${column} is ${types.get(column) ?? "missing"}, not ${allowed.join(" or ")}`,
    );
  const { timePartitioning, requirePartitionFilter = timePartitioning?.requirePartitionFilter } = found;
  const column = timePartitioning?.field ?? found.rangePartitioning?.field ?? "_PARTITIONTIME";
  if (requirePartitionFilter && column !== "ordered_at")
    return missing(
      `${dataset}.${table} requires a filter on ${column}, and the pipeline filters on ordered_at`,
      `bq update --norequire_partition_filter ${project}:${dataset}.${table}`,
    );
  if (wrong.length === 0) return ok(`${project}.${dataset}.${table}, in ${location}`);
  return missing(`columns of ${dataset}.${table}: ${wrong.join("; ")}`, guide);
}

export async function quota({ client, settings: { project, region } }: Context): Promise<Finding> {
  const metrics = `projects/${project}/services/aiplatform.googleapis.com/consumerQuotaMetrics`;
  const metric = "aiplatform.googleapis.com%2Fcustom_model_training_cpus";
  const found = await client.call(`serviceusage.googleapis.com/v1beta1/${metrics}/${metric}?view=FULL`);
  const buckets = (found?.consumerQuotaLimits ?? []).flatMap((it: Response) => it.quotaBuckets ?? []);
  const bucket =
    buckets.find((it: Response) => it.dimensions?.region === region) ??
    buckets.find((it: Response) => it.dimensions === undefined);
  if (bucket === undefined) return { state: "unknown", found: `Vertex AI shows no limit for ${region}` };
  const limit = Number(bucket.effectiveLimit ?? 0);
  const text = `${limit === -1 ? "any number of" : limit} CPUs for Vertex AI jobs; a step uses ${CPUS}`;
  const more = `gcloud beta quotas preferences create --project ${project} --service aiplatform.googleapis.com --quota-id CustomModelTrainingCPUsPerProjectPerRegion --dimensions region=${region} --preferred-value ${2 * CPUS}`;
  return limit === -1 || limit >= CPUS ? ok(text) : missing(text, more);
}

/** A line of the stack's file: `pulumi config set` works only after the stack exists. */
const setting = ({ stack, app }: Context, key: string, value: string) =>
  `${app}:${key}: ${value}   # a line of Pulumi.${stack}.yaml`;

const firstThree = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
