import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { load } from "js-yaml";
import { projectDir } from "../lib/project.ts";
import { policies } from "../policy/policies.ts";
import { architectureDiagram } from "../test/architecture-diagram.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { type RecordedResource, type Recording, record } from "../test/recording-mocks.ts";
import { PERMISSIONS } from "./deploy-permissions.ts";

type Stack = "dev" | "prod";
const STACKS: readonly Stack[] = ["dev", "prod"];
const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
const UPDATE = "UPDATE_GOLDEN=1 npx mocha --grep golden, and look at the difference.";

/** What Google would answer. */
function answers({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  switch (type) {
    case "gcp:serviceaccount/account:Account": {
      const email = `${inputs.accountId}@p.iam.gserviceaccount.com`;
      return { email, name: `projects/p/serviceAccounts/${email}`, member: `serviceAccount:${email}` };
    }
    case "gcp:projects/serviceIdentity:ServiceIdentity":
      return { member: "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com" };
    case "gcp:projects/iAMCustomRole:IAMCustomRole":
      return { name: `projects/p/roles/${inputs.roleId}` };
    case "gcp:cloudrunv2/service:Service":
      return { uri: "https://invoker-abc.a.run.app" };
    case "docker:index/image:Image":
      return { repoDigest: `${String(inputs.imageName).replace(/:[^/]*$/, "")}@${DIGEST}` };
    case "gcp:composer/environment:Environment":
      return { config: { ...inputs.config, dagGcsPrefix: "gs://composer-bucket/dags" } };
    case "gcp:iam/workloadIdentityPool:WorkloadIdentityPool":
      return { name: `projects/1/locations/global/workloadIdentityPools/${inputs.workloadIdentityPoolId}` };
    case "gcp:monitoring/notificationChannel:NotificationChannel":
      return { name: `projects/p/notificationChannels/${inputs.displayName}` };
    default:
      return {};
  }
}

/** The settings of a stack as Pulumi hands them over: those of its file over the defaults. */
function settingsOf(stack: Stack): Record<string, string> {
  const read = (file: string) => load(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"));
  const { name, config } = read("Pulumi.yaml") as {
    name: string;
    config: Record<string, { default?: unknown }>;
  };
  const { config: given } = read(`Pulumi.${stack}.yaml`) as { config: Record<string, unknown> };
  const defaults = Object.entries(config).map(([key, { default: value }]) => [`${name}:${key}`, value]);
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return Object.fromEntries(
    [...defaults, ...Object.entries(given)].flatMap(([key, value]) =>
      value === undefined ? [] : [[key, text(value)]],
    ),
  );
}

type Outputs = Readonly<Record<string, unknown>>;
let loads = 0;

/** The program as Pulumi runs it, with the settings of the stack's file and those that are given. */
async function programOf(
  stack: Stack,
  { preview = false, settings = {} }: { preview?: boolean; settings?: Record<string, string> } = {},
): Promise<Recording<Promise<Outputs>> & { outputs: Outputs; providers: Set<string> }> {
  const providers = new Set<string>();
  const recording = await record(
    () => {
      pulumi.runtime.setAllConfig({ ...settingsOf(stack), ...settings });
      // Another name each time, or it would be the module that is loaded already.
      return import(`../index.ts?${loads++}`) as Promise<Outputs>;
    },
    (resource) => {
      if (resource.custom) providers.add(`${resource.type.split(":")[0]} ${resource.provider ?? ""}`);
      // A bucket of an environment that is not made yet is unknown, which the mocks can't say.
      return preview && !resource.type.startsWith("gcp:composer") ? {} : answers(resource);
    },
    { stack, preview },
  );
  return { ...recording, outputs: await recording.result, providers };
}

const holdsData = ({ type }: RecordedResource): boolean =>
  /bigquery\/(dataset:Dataset|table:Table)$|storage\/bucket:Bucket$/.test(type);

const resourcesIn = (recording: Recording<unknown>) =>
  recording.resources.filter(({ type }) => !/^(pulumi|customer-value):/.test(type));

/** Shown by their hash: sql/tables.json, jobs/pipeline.golden.json and the schema of the DAG's settings show the text. */
const HASHED = ["definitionBody", "content", "schema"];
/** The same for all resources, or documentation. */
const LEFT_OUT = /^(labels|userLabels|description|documentation|project|source)$/;

/** The inputs of a resource, whole: a golden that shortens them hides a change. */
function summary(inputs: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(inputs)
    .filter(([name]) => !LEFT_OUT.test(name))
    .map(([name, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
      return `${name}=${HASHED.includes(name) ? `sha256:${hash}` : text}`;
    });
  return shown
    .sort()
    .join(" ")
    .replaceAll(projectDir, "")
    .replace(/(?<=\/(invoker|sql-runner|clv|notify)):[0-9a-f]{12}/, ":TAG")
    .replace(/(?<="REVISION":")[^"]*/, "REVISION");
}

/** The resources as a tree of components, with what matters of each. */
function tree({ resources }: Recording<unknown>): string {
  const lines = resources
    .filter(({ type }) => !type.startsWith("pulumi:"))
    .map((resource) => {
      const { path, name, type, inputs } = resource;
      const component =
        path
          .find((each) => each.startsWith("customer-value:"))
          ?.split(":")
          .at(-1) ?? "";
      if (type.startsWith("customer-value:")) return `${component}`;
      return `${component}/${type.split("/").at(-1)!.split(":").at(-1)} ${name}: ${summary(inputs)}`;
    });
  return `${lines
    .sort()
    .map((line) => line.replace(/^\w+\//, "  "))
    .join("\n")}\n`;
}

/** What a right is on: the first of these that its resource names. */
const KINDS = [
  ["topic", "topic"],
  ["subscription", "subscription"],
  ["bucket", "bucket"],
  ["cryptoKeyId", "key"],
  ["serviceAccountId", "account"],
  ["name", "service"],
  ["tableId", "table"],
  ["datasetId", "dataset"],
  ["project", "project"],
] as const;

/** Every right that the stack grants: who, what, on what. */
function grants({ resources }: Recording<unknown>): string {
  const roles = new Map(
    resources
      .filter(({ type }) => type === "gcp:projects/iAMCustomRole:IAMCustomRole")
      .map(({ inputs }) => [`projects/p/roles/${inputs.roleId}`, inputs.permissions as string[]]),
  );
  const lines = resources
    .filter(({ inputs }) => inputs?.member !== undefined && inputs.role !== undefined)
    .map(({ inputs }) => {
      const [kind, on] = KINDS.map(([key, name]) => [name, inputs[key]] as const).find(
        ([, value]) => value !== undefined,
      )!;
      const permissions = roles.get(String(inputs.role));
      const what =
        permissions === undefined
          ? String(inputs.role)
          : `custom role ${String(inputs.role).split("/").at(-1)} (${permissions.join(", ")})`;
      const condition = inputs.condition as { title: string } | undefined;
      return `${inputs.member}\n  ${what} on ${kind} ${on}${condition === undefined ? "" : `, ${condition.title}`}`;
    });
  const byMember = Map.groupBy(lines, (line) => line.split("\n")[0]!);
  return `${[...byMember]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([member, rights]) => [member, ...rights.map((line) => line.split("\n")[1]!).sort()].join("\n"))
    .join("\n\n")}\n`;
}

function assertGolden(name: string, text: string): void {
  const file = new URL(`./${name}.golden.txt`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"), `${name} has changed. If it should: ${UPDATE}`);
}

/** The name that a resource has in Google Cloud, with the kind of which no two may have the same. */
const cloudName = ({ type, inputs }: RecordedResource): string | undefined => {
  const keys = [
    "accountId",
    "repositoryId",
    "tableId",
    "routineId",
    "datasetId",
    "roleId",
    "imageName",
    "name",
  ];
  if (inputs.role !== undefined) return undefined;
  const parts = [
    inputs.project,
    inputs.bucket,
    inputs.datasetId,
    keys.map((key) => inputs[key]).find(Boolean),
  ];
  return parts.at(-1) === undefined ? undefined : `${type} ${parts.filter(Boolean).join("/")}`;
};

describe("the stack", function () {
  this.timeout(120_000);
  for (const stack of STACKS)
    describe(stack, () => {
      let program: Awaited<ReturnType<typeof programOf>>;
      before(async () => {
        program = await programOf(stack);
      });

      it("is this tree of resources (golden)", () => assertGolden(`resources.${stack}`, tree(program)));

      it("grants these rights and no others (golden)", () =>
        assertGolden(`grants.${stack}`, grants(program)));

      it("keeps every policy", async () => {
        const found = await Promise.all(resourcesIn(program).map((it) => evaluate(policies(stack), it)));
        assert.deepEqual(found.flat(), []);
      });

      it("gives no two resources one name", () => {
        const names = resourcesIn(program).flatMap((resource) => cloudName(resource) ?? []);
        assert.ok(names.length > 50);
        assert.deepEqual(
          names.filter((name, index) => names.indexOf(name) < index),
          [],
        );
      });

      it("puts every resource into a component, and makes it with the stack's own provider", () => {
        for (const { path, name, type } of resourcesIn(program))
          assert.match(path.at(-2) ?? "", /^customer-value:components:/, `${type} ${name}`);
        const providers = [...program.providers].filter((it) => !it.startsWith("pulumi")).sort();
        assert.deepEqual(
          providers.map((it) => /^\w+ .*::pulumi:providers:(\w+)::(\w+)::/.exec(it)?.slice(1).join(" ")),
          ["docker docker", "gcp google"],
        );
      });

      it("has the permissions for everything that it deploys", () => {
        const types = new Set(resourcesIn(program).map(({ type }) => type));
        assert.deepEqual(
          [...types].filter((type) => !(type in PERMISSIONS)),
          [],
        );
      });

      it("has no secret among its outputs", async () => {
        for (const [name, output] of Object.entries(program.outputs)) {
          assert.equal(await pulumi.isSecret(pulumi.output(output)), false, name);
        }
      });

      it("is protected by Pulumi where it holds data", () => {
        for (const resource of program.resources)
          assert.equal(resource.isProtected, stack === "prod" && holdsData(resource), resource.name);
      });

      it("can be previewed, when nothing is known of what is not made yet", async () => {
        const preview = await programOf(stack, { preview: true });
        assert.equal(preview.resources.length, program.resources.length);
      });

      it("is the same when it is deployed again", async () => {
        assert.equal(JSON.stringify((await programOf(stack)).resources), JSON.stringify(program.resources));
      });
    });

  it("is what docs/architecture.md draws (golden)", async () => {
    const file = new URL("../docs/architecture.md", import.meta.url);
    const page = readFileSync(file, "utf8");
    const drawn = architectureDiagram((await programOf("dev")).resources);
    const renewed = page.replace(/(?<=```mermaid\n)[\s\S]*?(?=```)/, () => drawn);
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, renewed);
    assert.equal(readFileSync(file, "utf8"), renewed, `The diagram has changed. If it should: ${UPDATE}`);
  });

  it("reports a wrong setting before the first resource", async () => {
    const settings = { "customer-value:region": "mars", "customer-value:regoin": "europe-west1" };
    await assert.rejects(programOf("dev", { settings }), (error: Error) => {
      assert.ok(pulumi.RunError.isInstance(error), "Pulumi prints the text of a RunError alone");
      assert.match(error.message, /customer-value:region is mars: .*europe-west1.*; the nearest is us-east1/);
      assert.match(error.message, /pulumi config set customer-value:region europe-west1/);
      assert.match(
        error.message,
        /customer-value:regoin is no setting; the nearest is customer-value:region/,
      );
      return true;
    });
  });
});
