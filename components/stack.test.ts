import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { dump } from "js-yaml";
import { deployment } from "../contracts/deployment.ts";
import { projectDir } from "../lib/project.ts";
import { policies } from "../policy/policies.ts";
import { architectureDiagram } from "../test/architecture-diagram.ts";
import { evaluate } from "../test/evaluate-policies.ts";
import { grantsOf } from "../test/grants.ts";
import { type RecordedResource, type Recording, unwrap } from "../test/recording-mocks.ts";
import { cloudName } from "../test/released-resources.ts";
import { resourcesIn, runStack, type Stack, type StackProgram, settingsOf } from "../test/stack-program.ts";
import { PERMISSIONS } from "./deploy-permissions.ts";

const STACKS: readonly Stack[] = ["dev", "prod"];
const UPDATE = "npm run update, and review the difference.";

/** Inputs as they are read best: JSON as data; without what other files and tests hold. */
async function shown({ type, name, inputs }: RecordedResource): Promise<object> {
  // The policies check the labels.
  const { labels: _, userLabels: __, source, ...rest } = inputs;
  const values = Object.entries(rest).map(([key, value]): [string, unknown] => {
    if (type.endsWith(":Routine") && key === "definitionBody") return [key, "bundle of jobs/clv/routines.ts"];
    if (type.endsWith(":Table") && key === "schema") {
      const columns: { name: string; type: string; mode: string }[] = JSON.parse(String(value));
      return [key, columns.map((column) => `${column.name} ${column.type} ${column.mode}`).join(", ")];
    }
    const data = typeof value === "string" && value.startsWith("{") ? JSON.parse(value) : value;
    // The rest of the pipeline is in jobs/pipeline.golden.json.
    if (name === "workload-pipeline" && key === "content")
      return [key, { "exec-features": data.deploymentSpec.executors["exec-features"] }];
    return [key, data];
  });
  const path = source instanceof pulumi.asset.FileAsset ? { source: await source.path } : {};
  return { ...Object.fromEntries(values), ...path };
}

type Components = Record<string, Record<string, object>>;

/** The resources with all their inputs, by component and by type and name. */
async function componentsOf(recording: Recording<unknown>): Promise<Components> {
  const components: Components = {};
  for (const resource of resourcesIn(recording)) {
    const component = resource.path[0]!.split(":").at(-1)!;
    components[component] ??= {};
    components[component][`${resource.type.split(":").at(-1)} ${resource.name}`] = await shown(resource);
  }
  return components;
}

/** The resources that only one of two stacks has, and the inputs of the second one that differ. */
function difference(before: Components, after: Components): object {
  const flat = (components: Components): Record<string, object> =>
    Object.assign({}, ...Object.values(components));
  const [one, other] = [flat(before), flat(after)];
  const lacking = (has: object, lacks: object) =>
    Object.keys(has)
      .filter((key) => !(key in lacks))
      .sort();
  const changed = Object.entries(other).flatMap(([key, inputs]) => {
    const old = Object.entries(one[key] ?? inputs);
    const now = Object.entries(inputs).filter(([name, value]) =>
      old.every(([same, was]) => same !== name || JSON.stringify(was) !== JSON.stringify(value)),
    );
    return now.length === 0 ? [] : [[key, Object.fromEntries(now)]];
  });
  return {
    absent: lacking(one, other),
    new: lacking(other, one),
    changed: Object.fromEntries(changed),
  };
}

function yamlOf(components: object): string {
  const text = dump(components, { sortKeys: true, lineWidth: -1, noRefs: true });
  return (
    text
      .replaceAll(projectDir, "/")
      // What an image holds, and its last commit, change with every edit of its program.
      .replace(/(?<=imageName: .*:)[0-9a-f]{12}$/gm, "TAG")
      .replace(/(?<=contexts\/[\w-]+-)[0-9a-f]{12}\b/g, "HASH")
      .replace(/(?<=REVISION: ).*/g, "COMMIT")
      .replace(/(?<=name: GIT_COMMIT\n\s+value: ).*/g, "COMMIT")
  );
}

/** All grants, by member: role and resource. */
function grants(recording: Recording<unknown>): string {
  const lines = grantsOf(recording).map(({ member, role, permissions, kind, on, condition }) => {
    const what = permissions ? `custom role ${role} (${permissions.join(", ")})` : role;
    return { member, right: `  ${what} on ${kind} ${on}${condition ? `, ${condition}` : ""}` };
  });
  const byMember = [...Map.groupBy(lines, ({ member }) => member)].sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = byMember.map(([member, rights]) => [member, ...rights.map(({ right }) => right).sort()]);
  return `${texts.map((text) => text.join("\n")).join("\n\n")}\n`;
}

function assertGolden(name: string, text: string): void {
  const file = new URL(`./${name}.golden.txt`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"), `${name} has changed. If this is intended: ${UPDATE}`);
}

describe("stack", function () {
  this.timeout(120_000);
  const programs = {} as Record<Stack, StackProgram>;
  before(async () => {
    for (const stack of STACKS) programs[stack] = await runStack(stack);
  });

  for (const stack of STACKS) {
    it(`${stack} has these resources with these inputs (golden)`, async () =>
      assertGolden(`resources.${stack}`, yamlOf(await componentsOf(programs[stack]))));

    it(`${stack} has these grants (golden)`, () => assertGolden(`grants.${stack}`, grants(programs[stack])));
  }

  for (const stack of STACKS)
    describe(stack, () => {
      let program: StackProgram;
      before(() => {
        program = programs[stack];
      });

      it("passes every policy", async () => {
        const found = await Promise.all(resourcesIn(program).map((it) => evaluate(policies(stack), it)));
        assert.deepEqual(found.flat(), []);
      });

      it("has no two resources of a type with the same name in Google Cloud", () => {
        const names = resourcesIn(program).flatMap((resource) => {
          const name = cloudName(resource);
          return name === undefined ? [] : [`${resource.type} ${name}`];
        });
        assert.ok(names.length > 50);
        assert.equal(new Set(names).size, names.length);
      });

      it("creates every resource in a component and with the stack's own providers", () => {
        for (const { path, name, type } of resourcesIn(program))
          assert.match(path.at(-2) ?? "", /^customer-value:components:/, `${type} ${name}`);
        const providers = [...program.providers].filter((it) => !it.startsWith("pulumi")).sort();
        assert.deepEqual(
          providers.map((it) => /^\w+ .*::pulumi:providers:(\w+)::(\w+)::/.exec(it)?.slice(1).join(" ")),
          ["docker docker", "gcp google"],
        );
      });

      it("is protected by Pulumi where it holds data, in prod", () => {
        const holding = resourcesIn(program).filter(({ type }) =>
          /bigquery\/(dataset:Dataset|table:Table)$|storage\/bucket:Bucket$/.test(type),
        );
        assert.ok(holding.length > 15);
        for (const { name, isProtected } of holding) assert.equal(isProtected, stack === "prod", name);
      });

      it("is replaced with all that is in it, where a place changes: names are the same in the new one", () => {
        for (const { type, name, inputs, isDeletedFirst, replacedWith } of resourcesIn(program)) {
          assert.ok(isDeletedFirst, name);
          if (/bigquery\/(table:Table|routine:Routine)$/.test(type))
            assert.deepEqual(
              replacedWith,
              [`warehouse-${inputs.datasetId === "mlops_mkt" ? "marketing" : inputs.datasetId}`],
              name,
            );
        }
      });

      it("deploys only types of resources for which the deployer has permissions", () => {
        const types = new Set(resourcesIn(program).map(({ type }) => type));
        assert.deepEqual(
          [...types].filter((type) => !(type in PERMISSIONS)),
          [],
        );
      });

      it("has no secret outputs", async () => {
        for (const [name, output] of Object.entries(program.outputs)) {
          assert.equal(await pulumi.isSecret(pulumi.output(output)), false, name);
        }
      });

      it("can be previewed before its resources exist", async () => {
        const preview = await runStack(stack, { preview: true });
        assert.equal(preview.resources.length, program.resources.length);
      });

      it("is the same when it is deployed again", async () => {
        assert.equal(JSON.stringify((await runStack(stack)).resources), JSON.stringify(program.resources));
      });
    });

  describe("as a whole", () => {
    it("passes every policy in us-central1", async () => {
      const settings = { ...settingsOf("dev"), "customer-value:region": "us-central1" };
      const program = await runStack("dev", { settings });
      const found = await Promise.all(resourcesIn(program).map((it) => evaluate(policies("dev"), it)));
      assert.deepEqual(found.flat(), []);
    });

    it("differs so from prod with a Composer environment that exists (golden), and passes every policy", async () => {
      const account = "composer@their-project.iam.gserviceaccount.com";
      const settings = {
        ...settingsOf("prod"),
        "customer-value:orchestrator": "existing-composer",
        "customer-value:composerEnvironment": "data-platform",
        "customer-value:composerDagBucket": "europe-west1-data-platform-bucket",
        "customer-value:composerServiceAccount": account,
      };
      const program = await runStack("prod", { settings });
      const found = await Promise.all(resourcesIn(program).map((it) => evaluate(policies("prod"), it)));
      assert.deepEqual(found.flat(), []);
      const types = resourcesIn(program).map(({ type }) => type);
      assert.ok(!types.some((type) => /composer|workflows|cloudscheduler/.test(type)));
      const [prod, existing] = [await componentsOf(programs.prod), await componentsOf(program)];
      assertGolden("resources.existing-composer", yamlOf(difference(prod, existing)));
    });

    it("has the output that npm run smoke reads", async () => {
      const { outputs } = await runStack("dev");
      const { settings, orders, orchestrator, deadLetters, signals } = deployment.parse(
        await unwrap(outputs.deployment),
      );
      assert.equal(settings.invoker_url, "https://invoker-abc.a.run.app");
      assert.deepEqual(orders, { project: "my-project-dev", dataset: "raw", table: "orders" });
      assert.deepEqual(orchestrator, { kind: "workflows", name: "customer-value-dev-orchestrator" });
      assert.ok(signals["dead letters"]!.includes(deadLetters.subscription));
    });

    it("has the environment of Composer with the DAG in that output", async () => {
      const kindAndName = async (more: Record<string, string>) => {
        const settings = { ...settingsOf("prod"), ...more };
        const { outputs } = await runStack("prod", { settings });
        return deployment.parse(await unwrap(outputs.deployment)).orchestrator;
      };
      assert.deepEqual(await kindAndName({}), { kind: "composer", name: "customer-value-prod-orchestrator" });
      const existing = {
        "customer-value:orchestrator": "existing-composer",
        "customer-value:composerEnvironment": "shared",
        "customer-value:composerDagBucket": "shared-bucket",
        "customer-value:composerServiceAccount": "airflow@my-shop.iam.gserviceaccount.com",
      };
      assert.deepEqual(await kindAndName(existing), { kind: "composer", name: "shared" });
    });

    it("matches the diagram in docs/architecture.md (golden)", async () => {
      const file = new URL("../docs/architecture.md", import.meta.url);
      const page = readFileSync(file, "utf8");
      const diagram = architectureDiagram((await runStack("dev")).resources);
      const updated = page.replace(/(?<=```mermaid\n)[\s\S]*?(?=```)/, () => diagram);
      if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, updated);
      assert.equal(
        readFileSync(file, "utf8"),
        updated,
        `The diagram has changed. If this is intended: ${UPDATE}`,
      );
    });

    it("reports wrong settings before the first resource", async () => {
      const wrong = { "customer-value:region": "mars", "customer-value:regoin": "europe-west1" };
      const settings = { ...settingsOf("dev"), ...wrong };
      await assert.rejects(runStack("dev", { settings }), (error: Error) => {
        assert.match(error.message, /customer-value:region is mars: .*europe-west1/);
        assert.match(
          error.message,
          /customer-value:regoin is not a setting; the nearest is customer-value:region/,
        );
        return true;
      });
    });
  });
});
