import { deployPermissions } from "../components/deploy-permissions.ts";
import { planState } from "../components/state.ts";
import { UserError } from "../lib/user-error.ts";
import { type Check, check, missing, ok } from "./check.ts";
import type { Answer, Outside } from "./outside.ts";
import { APIS, planBootstrap } from "./plan.ts";
import { shell } from "./shell.ts";
import type { StackFile } from "./stack-file.ts";
import { planTools } from "./tools.ts";

/** What bootstrap asks of Google Cloud itself, and to let services run as their accounts. */
const BOOTSTRAP_PERMISSIONS = [
  ...["resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"],
  ...["cloudkms.keyRings.create", "cloudkms.cryptoKeys.create", "iam.serviceAccounts.actAs"],
  ...["cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeyVersions.useToDecrypt"],
];
/** projects.testIamPermissions takes no more at once. */
const PERMISSIONS_AT_ONCE = 100;

/** Services that list their locations, all in the same way. */
const LOCATED: Readonly<Record<string, string>> = {
  "Vertex AI": "aiplatform.googleapis.com/v1",
  "Cloud Run": "run.googleapis.com/v1",
  "Artifact Registry": "artifactregistry.googleapis.com/v1",
  "Cloud KMS": "cloudkms.googleapis.com/v1",
};

/** Columns of the orders that sql/ reads, and the types that it takes. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  order_id: ["STRING"],
  customer_id: ["STRING"],
  ordered_at: ["TIMESTAMP"],
  amount: ["FLOAT", "NUMERIC", "BIGNUMERIC", "INTEGER"],
};

/** CPUs of a step, which runs on Vertex AI's default machine, e2-standard-4; steps run one after the other. */
const CPUS = 4;
const CPU_METRIC = "aiplatform.googleapis.com%2Fcustom_model_training_cpus";
const CPU_QUOTA = "CustomModelTrainingCPUsPerProjectPerRegion";

/** Everything that is looked at before a stack's first deployment, in an order in which a person can mend it. */
export function planChecks(stack: string, file: () => StackFile, world: Outside): readonly Check[] {
  const { run, ask } = world;
  const settings = () => file().settings;
  const bootstrap = `npm run bootstrap -- --stack ${stack} --run`;
  // `pulumi config set` wants the stack to be there already.
  const set = (key: string, value: string) =>
    `${file().app}:${key}: ${value}   # a line of Pulumi.${stack}.yaml`;
  const account = () => run("gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=value(account)");
  const state = () => planState({ app: file().app, ...settings() }, settings().region);

  return [
    check("settings", [], async () => {
      try {
        return ok(`project ${settings().project}, region ${settings().region}`);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        return missing(error.message, error.remedy ?? "");
      }
    }),
    ...planTools(settings, world),
    check("gcloud's login", ["gcloud"], async () => {
      const found = await account();
      return found === "" ? missing("not logged in", "gcloud auth login") : ok(found);
    }),
    check("Pulumi's login", ["gcloud"], () =>
      run("gcloud", "auth", "application-default", "print-access-token").then(
        () => ok("application-default credentials"),
        () => missing("no application-default credentials", "gcloud auth application-default login"),
      ),
    ),
    check("project", ["settings", "gcloud's login"], async () => {
      const { project } = settings();
      const found = await ask(`cloudresourcemanager.googleapis.com/v3/projects/${project}`);
      if (found?.state === "ACTIVE") return ok(project);
      return found === undefined
        ? missing(`there is no ${project}, or you may not see it`, `gcloud projects create ${project}`)
        : missing(`${project} is ${found.state}`, `gcloud projects undelete ${project}`);
    }),
    check("billing", ["project"], async () => {
      const { project } = settings();
      const found = await ask(`cloudbilling.googleapis.com/v1/projects/${project}/billingInfo`);
      if (found?.billingEnabled) return ok(found.billingAccountName);
      const first = '"$(gcloud billing accounts list --filter open=true --format "value(name)" --limit 1)"';
      const link = `gcloud billing projects link ${project} --billing-account`;
      return missing(
        "no billing account pays for it",
        `${link} ${settings().budget?.billingAccount ?? first}`,
      );
    }),
    check("permissions", ["project"], async () => {
      const { project } = settings();
      const wanted = [...new Set([...deployPermissions(), ...BOOTSTRAP_PERMISSIONS])];
      const granted: string[] = [];
      for (let from = 0; from < wanted.length; from += PERMISSIONS_AT_ONCE) {
        const permissions = wanted.slice(from, from + PERMISSIONS_AT_ONCE);
        const url = `cloudresourcemanager.googleapis.com/v3/projects/${project}:testIamPermissions`;
        granted.push(...((await ask(url, { permissions }))?.permissions ?? []));
      }
      const lacking = wanted.filter((permission) => !granted.includes(permission));
      if (lacking.length === 0) return ok(`all ${wanted.length}`);
      const email = await account();
      const member = `${email.endsWith("gserviceaccount.com") ? "serviceAccount" : "user"}:${email}`;
      const grant = `gcloud projects add-iam-policy-binding ${project} --member ${member} --role roles/owner`;
      return missing(`${lacking.length} of ${wanted.length} are missing: ${some(lacking)}`, grant);
    }),
    check("APIs", ["billing"], async () => {
      const { project } = settings();
      const names = Object.keys(APIS).map((api) => `names=projects/${project}/services/${api}`);
      const url = `serviceusage.googleapis.com/v1/projects/${project}/services:batchGet?${names.join("&")}`;
      const services: Answer[] = (await ask(url))?.services ?? [];
      const on = services.filter((it) => it.state === "ENABLED").map((it) => it.config.name);
      const off = Object.keys(APIS).filter((api) => !on.includes(api));
      if (off.length === 0) return ok(`all ${on.length} are on`);
      const [turnOn] = planBootstrap(stack, settings(), file().app);
      return missing(`${off.length} are off: ${some(off)}`, shell(turnOn!.command));
    }),
    check("region", ["APIs"], async () => {
      const { project, region } = settings();
      const lists = Object.entries(LOCATED).map(async ([service, api]) => {
        const locations: Answer[] =
          (await ask(`${api}/projects/${project}/locations?pageSize=1000`))?.locations ?? [];
        return locations.some((it) => it.locationId === region) ? [] : [service];
      });
      const lacking = (await Promise.all(lists)).flat();
      if (lacking.length === 0) return ok(`${region} has ${Object.keys(LOCATED).join(", ")}`);
      return missing(`${region} has no ${lacking.join(", no ")}`, set("region", "europe-west1"));
    }),
    check("Composer", ["APIs"], async () => {
      const { project, region, orchestrator } = settings();
      const parent = `composer.googleapis.com/v1/projects/${project}/locations/${region}`;
      if (orchestrator.kind === "composer") {
        const versions: Answer[] = (await ask(`${parent}/imageVersions?pageSize=1000`))?.imageVersions ?? [];
        const offered = versions.map((it) => String(it.imageVersionId));
        const { imageVersion } = orchestrator;
        if (offered.includes(imageVersion)) return ok(`${region} has ${imageVersion}`);
        const like = offered.find((it) => it.startsWith(imageVersion.replace(/\.\d+-build.*/, ".")));
        const fix = like === undefined ? set("region", "europe-west1") : set("composerImageVersion", like);
        return missing(`${region} has no ${imageVersion}`, fix);
      }
      const { environment, dagBucket } = orchestrator;
      const found = await ask(`${parent}/environments/${environment}`);
      const bucket = found?.config?.dagGcsPrefix?.replace(/^gs:\/\/|\/.*$/g, "");
      if (bucket === dagBucket) return ok(`${environment}, whose DAGs are in ${bucket}`);
      return found === undefined
        ? missing(
            `there is no ${environment} in ${region}`,
            `gcloud composer environments list --project ${project} --locations ${region}`,
          )
        : missing(`the DAGs of ${environment} are in ${bucket}`, set("composerDagBucket", bucket));
    }),
    check("orders", ["APIs"], async () => {
      const { orders, warehouseLocation } = settings();
      const { project, dataset, table } = orders;
      const url = `bigquery.googleapis.com/bigquery/v2/projects/${project}/datasets/${dataset}`;
      const location = (await ask(url))?.location;
      const guide = "less docs/deploy.md   # «Orders» loads them";
      if (location === undefined) return missing(`there is no dataset ${project}.${dataset}`, guide);
      if (location.toLowerCase() !== warehouseLocation.toLowerCase())
        return missing(
          `${dataset} is in ${location}, the stack's tables in ${warehouseLocation}: no query reads both`,
          set("warehouseLocation", location),
        );
      const found = await ask(`${url}/tables/${table}`);
      if (found === undefined) return missing(`there is no table ${project}.${dataset}.${table}`, guide);
      const types = new Map<string, string>(found.schema.fields.map((it: Answer) => [it.name, it.type]));
      const wrong = Object.keys(COLUMNS).filter((it) => !COLUMNS[it]!.includes(types.get(it) ?? ""));
      if (wrong.length === 0) return ok(`${project}.${dataset}.${table}, in ${location}`);
      const told = wrong.map((it) => `${it} ${types.get(it) ?? "missing"}, not ${COLUMNS[it]!.join(" or ")}`);
      return missing(`columns of ${dataset}.${table}: ${told.join("; ")}`, guide);
    }),
    check("quota", ["APIs"], async () => {
      const { project, region } = settings();
      const metrics = `projects/${project}/services/aiplatform.googleapis.com/consumerQuotaMetrics`;
      const found = await ask(`serviceusage.googleapis.com/v1beta1/${metrics}/${CPU_METRIC}?view=FULL`);
      const buckets = (found?.consumerQuotaLimits ?? []).flatMap((it: Answer) => it.quotaBuckets ?? []);
      const bucket =
        buckets.find((it: Answer) => it.dimensions?.region === region) ??
        buckets.find((it: Answer) => it.dimensions === undefined);
      if (bucket === undefined) return { state: "unknown", found: `no limit is told for ${region}` };
      const limit = Number(bucket.effectiveLimit ?? 0);
      const text = `${limit === -1 ? "any number of" : limit} CPUs for Vertex AI's jobs, of which a step takes ${CPUS}`;
      const more = `gcloud beta quotas preferences create --project ${project} --service aiplatform.googleapis.com --quota-id ${CPU_QUOTA} --dimensions region=${region} --preferred-value ${2 * CPUS}`;
      return limit === -1 || limit >= CPUS ? ok(text) : missing(text, more);
    }),
    check("state", ["APIs"], async () => {
      const { bucket, keyId } = state();
      const [kept, key] = await Promise.all([
        ask(`storage.googleapis.com/storage/v1/b/${bucket}`),
        ask(`cloudkms.googleapis.com/v1/${keyId}`),
      ]);
      if (kept === undefined) return missing(`there is no bucket ${bucket} yet`, bootstrap);
      if (!kept.versioning?.enabled) return missing(`${bucket} keeps no old versions`, bootstrap);
      if (key?.primary?.state !== "ENABLED") return missing(`there is no key ${keyId} yet`, bootstrap);
      return ok(`${bucket}, with its key`);
    }),
  ];
}

const some = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
