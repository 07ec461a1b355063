import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { load } from "js-yaml";
import { z } from "zod";
import { runSettings } from "../contracts/run.ts";
import { UserError } from "../lib/user-error.ts";
import {
  budget,
  declared,
  existingComposer,
  github,
  keyOfRunSetting,
  REGIONS,
  readSettings,
} from "./settings.ts";

const yaml = (file: string) => load(readFileSync(new URL(`../${file}`, import.meta.url), "utf8")) as never;

interface Declaration {
  readonly type?: string;
  readonly default?: unknown;
  readonly description?: string;
}
const project: { name: string; config: Record<string, Declaration> } = yaml("Pulumi.yaml");

const runSchemas = Object.entries(runSettings.shape).map(([name, schema]) => [keyOfRunSetting(name), schema]);
const schemas: Record<string, z.ZodType> = {
  ...declared.shape,
  ...existingComposer.shape,
  ...budget.shape,
  ...github.shape,
  ...Object.fromEntries(runSchemas),
};

const minimal = { project: "my-project", region: "europe-west1", ordersTable: "my-shop.raw.orders" };
const existing = {
  orchestrator: "existing-composer",
  composerEnvironment: "data-platform",
  composerDagBucket: "a-bucket",
  composerServiceAccount: "composer@my-project.iam.gserviceaccount.com",
};

const spending = { monthlyBudget: "500", billingAccount: "012345-6789AB-CDEF01" };

const workflows = { githubRepository: "example/pipeline", githubRepositoryId: "123456789" };

const read = (values: Readonly<Record<string, string>>, stack = "dev") =>
  readSettings({ name: project.name, get: (key) => values[key], given: [] }, stack);

function problemOf(values: Readonly<Record<string, string>>, stack = "dev"): UserError {
  try {
    read(values, stack);
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  assert.fail(`${JSON.stringify(values)} is taken`);
}

/** What pulumi.Config.get answers: a list as JSON, everything else as its text. */
const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** What an error says is allowed; an item of a list is named by its index. */
const ALLOWED = /^(\[\d+\] )?(must|Invalid option: expected|Invalid input: expected|Too)/;

/** What the command of a remedy sets, by key. */
const proposed = (remedy = "") =>
  Object.fromEntries(
    [...remedy.matchAll(/^pulumi config set customer-value:(\w+) '?(.*?)'?$/gm)].map(
      ([, key = "", value]) => [key, value],
    ),
  );

describe("settings", () => {
  describe("declared in Pulumi.yaml", () => {
    it("have the same keys, and a description that ends with the example", () => {
      assert.deepEqual(Object.keys(project.config).sort(), Object.keys(schemas).sort());
      for (const [key, schema] of Object.entries(schemas))
        assert.ok(
          project.config[key]?.description?.endsWith(`. Example: ${asText(proposedExample(schema))}`),
          key,
        );
    });

    it("of a run have the description of contracts/run.ts, then what is allowed", () => {
      for (const [name, schema] of Object.entries(runSettings.shape)) {
        const input = z.toJSONSchema(schema) as { minimum?: number; maximum?: number; enum?: string[] };
        const range = input.minimum === undefined ? [] : [`${input.minimum} to ${input.maximum}`];
        const allowed = input.enum?.join(", ") ?? range.join();
        const example = asText(schema.parse(undefined));
        assert.equal(
          project.config[keyOfRunSetting(name)]?.description,
          [schema.description, ...(allowed === "" ? [] : [`${allowed}.`]), `Example: ${example}`].join(" "),
        );
      }
    });

    for (const [key, schema] of Object.entries(schemas))
      it(`${key} has the same default, and is checked here only`, () => {
        const declaration = project.config[key];
        // Pulumi checks what has a type, and wants what has no default. Its own errors name no command.
        assert.equal(declaration?.type, undefined);
        const unset = schema.safeParse(undefined);
        assert.equal(asText(declaration?.default), asText(unset.data ?? ""));
      });
  });

  it("are complete with project, region and the orders table", () => {
    assert.deepEqual(read(minimal), {
      environment: "dev",
      project: "my-project",
      region: "europe-west1",
      warehouseLocation: "europe-west1",
      orders: { project: "my-shop", dataset: "raw", table: "orders" },
      marketing: { project: "my-project", dataset: "mlops_mkt", readers: [] },
      schedule: { cron: "0 6 * * 1", timeZone: "Etc/UTC" },
      retraining: undefined,
      orchestrator: { kind: "composer", imageVersion: "composer-3-airflow-2.11.1" },
      notificationEmails: [],
      protectData: false,
      candidates: [],
      modelRegistry: "off",
      bytesBilledLimit: 1e11,
      dailyBytesBilledLimit: 1e12,
      budget: undefined,
      messageRetention: "7 days",
      invokerCallers: [],
      github: undefined,
      run: runSettings.parse({}),
    });
  });

  it("are of one region of Google Cloud", () => {
    for (const region of [...REGIONS, "asia-east1", "europe-west9", "us-central1"]) {
      assert.match(region, /^[a-z]+-[a-z]+\d+$/);
      assert.equal(read({ ...minimal, region }).region, region);
    }
  });

  it("are the same with Pulumi.yaml's defaults", () => {
    const defaults = Object.entries(project.config).flatMap(([key, { default: value }]) =>
      value === undefined ? [] : [[key, asText(value)]],
    );
    assert.deepEqual(read({ ...Object.fromEntries(defaults), ...minimal }), read(minimal));
  });

  it("take what a stack says", () => {
    const settings = read({
      ...minimal,
      ...existing,
      environment: "prod",
      warehouseLocation: "EU",
      marketingProject: "my-marketing",
      marketingReaders: '["group:marketing@example.com"]',
      bytesBilledLimit: "2 TB",
      messageRetention: "12 hours",
      horizonWeeks: "52",
      annualDiscountRate: "0.2",
    });
    assert.equal(settings.protectData, true);
    assert.equal(settings.warehouseLocation, "EU");
    assert.deepEqual(settings.marketing, {
      project: "my-marketing",
      dataset: "mlops_mkt",
      readers: ["group:marketing@example.com"],
    });
    assert.deepEqual(settings.orchestrator, {
      kind: "existing-composer",
      environment: "data-platform",
      dagBucket: "a-bucket",
      serviceAccount: "composer@my-project.iam.gserviceaccount.com",
    });
    assert.equal(settings.bytesBilledLimit, 2e12);
    assert.equal(settings.messageRetention, "12 hours");
    assert.deepEqual(settings.run, {
      ...runSettings.parse({}),
      horizon_weeks: 52,
      annual_discount_rate: 0.2,
    });
  });

  it("take every schedule that Cloud Scheduler documents", () => {
    const field = (least: number, most: number, names: readonly string[] = []) => {
      const number = fc.integer({ min: least, max: most }).map(String);
      const value = names.length > 0 ? fc.oneof(number, fc.constantFrom(...names)) : number;
      const range = fc
        .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
        .map((ends) => `${Math.min(...ends)}-${Math.max(...ends)}`);
      const step = fc
        .tuple(fc.oneof(fc.constant("*"), range), fc.integer({ min: 1, max: most }))
        .map(([part, by]) => `${part}/${by}`);
      const list = fc
        .array(fc.oneof(value, range), { minLength: 1, maxLength: 3 })
        .map((all) => all.join(","));
      return fc.oneof(fc.constant("*"), list, step);
    };
    const cron = fc
      // Days up to 28, which every month has.
      .tuple(
        field(0, 59),
        field(0, 23),
        field(1, 28),
        field(1, 12, ["JAN", "DEC"]),
        field(0, 7, ["SUN", "SAT"]),
      )
      .map((fields) => fields.join(" "));
    fc.assert(
      fc.property(cron, (schedule) => {
        assert.equal(read({ ...minimal, schedule }).schedule.cron, schedule);
      }),
      { numRuns: 300, examples: [["0 6 * * MON-FRI"]] },
    );
  });

  it("let the invoker decide whether a run fits a new model, unless it never may", () => {
    const retrainSchedule = "0 6 1 * *";
    const { retraining, run } = read({ ...minimal, schedule: "0 6 * * *", retrainSchedule });
    assert.deepEqual(retraining, {
      schedule: "0 6 * * *",
      retrain_schedule: retrainSchedule,
      time_zone: "Etc/UTC",
    });
    const { retrain: _, ...others } = runSettings.parse({});
    assert.deepEqual(run, others);
    const never = read({ ...minimal, retrainSchedule, retrain: "no" });
    assert.deepEqual([never.retraining, never.run.retrain], [undefined, "no"]);
  });

  it("protect data in prod, unless a setting says otherwise", () => {
    for (const [stack, onDestroy, protectData] of [
      ["dev", "", false],
      ["dev", "keep-data", true],
      ["prod", "", true],
      ["prod", "destroy-data", false],
    ] as const)
      assert.equal(read({ ...minimal, onDestroy }, stack).protectData, protectData, `${stack} ${onDestroy}`);
  });

  it("take the first and the last of a range", () => {
    const composerImageVersion = "composer-3-airflow-10.11.12-build.13";
    assert.deepEqual(read({ ...minimal, composerImageVersion }).orchestrator, {
      kind: "composer",
      imageVersion: composerImageVersion,
    });
    for (const messageRetention of ["10 minutes", "31 days"])
      assert.equal(read({ ...minimal, messageRetention }).messageRetention, messageRetention);
    assert.equal(read({ ...minimal, warehouseLocation: "US" }).warehouseLocation, "US");
    read({ ...minimal, ...existing, composerEnvironment: "a" });
  });

  it("say which value is the nearest, each item that is wrong, and a command that a shell takes", () => {
    assert.match(
      problemOf({ ...minimal, region: "europe-west-1" }).message,
      /^customer-value:region is europe-west-1: .*; the nearest is europe-west1$/,
    );
    assert.match(
      problemOf({ ...minimal, invokerCallers: '["a", "user:a@b.c", "b"]' }).message,
      /: \[0\] must be [^;]*; \[2\] must be [^;]*$/,
    );
    assert.equal(
      problemOf({ ...minimal, schedule: "daily", timeZone: "paris" }).remedy,
      "pulumi config set customer-value:schedule '0 6 * * 1'\npulumi config set customer-value:timeZone Europe/Paris",
    );
  });

  it("are at most as many addresses as a budget takes", () => {
    const emails = (count: number) =>
      JSON.stringify(Array.from({ length: count }, (_, index) => `on-call-${index}@example.com`));
    assert.equal(read({ ...minimal, notificationEmails: emails(5) }).notificationEmails.length, 5);
    const { message } = problemOf({ ...minimal, notificationEmails: emails(6) });
    assert.match(message, /^customer-value:notificationEmails is .*: must be at most 5$/);
  });

  it("have a bucket that BigQuery can write the files of candidates into", () => {
    const candidates = '["boosting"]';
    for (const [region, warehouseLocation] of [
      ["europe-west1", "europe-west1"],
      ["europe-west1", "EU"],
      ["us-east4", "US"],
    ] as const)
      assert.equal(read({ ...minimal, candidates, region, warehouseLocation }).region, region);
    for (const [region, warehouseLocation, fix] of [
      ["europe-west1", "europe-west3", "europe-west3"],
      ["us-east4", "EU", "europe-west1"],
      ["europe-west2", "EU", "europe-west1"],
      ["europe-west1", "US", "us-central1"],
    ] as const) {
      const { message, remedy } = problemOf({ ...minimal, candidates, region, warehouseLocation });
      assert.match(message, /^customer-value:region is .* it must be in the warehouse's location, \w/);
      assert.equal(remedy, `pulumi config set customer-value:region ${fix}`);
      assert.equal(read({ ...minimal, region, warehouseLocation }).region, region);
    }
    const wrong = problemOf({ ...minimal, candidates, region: "mars", warehouseLocation: "EU" });
    assert.match(wrong.message, /^customer-value:region is mars: Invalid option.*$/);
  });

  it("say that a list is not one value, nor one value a list, and how to set it", () => {
    const { message, remedy } = problemOf({ ...minimal, notificationEmails: "on-call@example.com" });
    assert.equal(message, "customer-value:notificationEmails is on-call@example.com: must be a list");
    assert.equal(remedy, `pulumi config set customer-value:notificationEmails '["on-call@example.com"]'`);
    const list = problemOf({ ...minimal, project: '["my-project"]' });
    assert.match(list.message, /^customer-value:project is \["my-project"\]: must be 6 to 30/);
  });

  it("choose the orchestrator", () => {
    const kindOf = (orchestrator: string) =>
      read({ ...minimal, ...existing, orchestrator }).orchestrator.kind;
    for (const kind of ["workflows", "composer", "existing-composer"]) assert.equal(kindOf(kind), kind);
    assert.equal(read(minimal).orchestrator.kind, "composer");
  });

  for (const [file, keys] of [
    ["Pulumi.dev.yaml", [...Object.keys(minimal), "orchestrator"]],
    ["Pulumi.prod.yaml", undefined],
  ] as const)
    it(`of ${file} are valid`, () => {
      const { config }: { config: Record<string, unknown> } = yaml(file);
      const entries = Object.entries(config).map(([key, value]): [string, string] => {
        assert.ok(key.startsWith(`${project.name}:`), key);
        return [key.slice(project.name.length + 1), asText(value)];
      });
      if (keys) assert.deepEqual(entries.map(([key]) => key).sort(), [...keys].sort());
      for (const [key] of entries) assert.ok(key in schemas, key);
      const environment = /\.(\w+)\./.exec(file)?.[1] ?? "";
      assert.equal(read(Object.fromEntries(entries), environment).environment, environment);
    });

  describe("that are wrong", () => {
    for (const [key, schema] of Object.entries(schemas)) {
      const { type } = z.toJSONSchema(schema) as { type: string };
      const base = { ...minimal, ...existing, ...spending, ...workflows };
      const example = asText(proposedExample(schema));
      const text = fc.oneof(
        fc.string(),
        // Nearly right: one character put somewhere into an allowed value.
        fc
          .tuple(fc.nat(example.length), fc.string({ minLength: 1, maxLength: 1 }))
          .map(([at, character]) => example.slice(0, at) + character + example.slice(at)),
        fc.constantFrom("allUsers", "allAuthenticatedUsers", "null", "-1", "1e999", "true"),
      );
      const value = type === "array" ? fc.oneof(text, fc.array(text, { minLength: 1 }).map(asText)) : text;

      it(`${key}: any wrong value is reported, with a command that sets a right one`, () => {
        fc.assert(
          fc.property(value, (given) => {
            let problem: UserError;
            try {
              read({ ...base, [key]: given });
              return;
            } catch (error) {
              assert.ok(error instanceof UserError, String(error));
              problem = error;
            }
            const text = given.trim() || "not set";
            const start = `customer-value:${key} is ${text}: `;
            assert.ok(problem.message.startsWith(start), problem.message);
            assert.match(problem.message.slice(start.length), ALLOWED);
            const remedy = proposed(problem.remedy);
            assert.deepEqual(Object.keys(remedy), [key]);
            read({ ...base, ...remedy });
          }),
          { numRuns: 200 },
        );
      });
    }

    const wrong: Record<string, readonly string[]> = {
      project: ["My-project", "short", "goes-on-", "1abcdef", "a".repeat(31)],
      region: ["mars", "EU", "europe-west1-b"],
      ordersTable: ["raw.orders", "my-shop.raw.orders.x", "my-shop.ra-w.orders", "my-shop:raw.orders"],
      marketingDataset: ["-marts", "marts-"],
      marketingReaders: [
        ...['["allUsers"]', '["allAuthenticatedUsers"]', '"group:a@b.c"', "group:a@b.c"],
        ...['["agroup:a@b.c"]', '["group:a@b.c d"]'],
      ],
      schedule: [
        "@daily",
        "0 6 * *",
        "60 6 * * 1",
        "0 24 * * *",
        "0 6 0 * *",
        "0 6 * 13 *",
        "0 6 * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        // Airflow reads these, Cloud Scheduler does not.
        "0 6 L * *",
        "0 6 * * 1#2",
        "0 6 * * mon",
        "0 6 ? * *",
      ],
      timeZone: ["Mars/Olympus", "paris"],
      composerImageVersion: [
        ...["composer-2.9.3-airflow-2.9.1", "composer-3-airflow-2", "latest"],
        ...["a-composer-3-airflow-2.11.1", "composer-3-airflow-2.11.1-preview.1"],
      ],
      composerEnvironment: ["-a", "a-"],
      composerDagBucket: ["gs://bucket", "bucket/dags"],
      notificationEmails: ['["on-call"]'],
      bytesBilledLimit: ["100", "0 GB", "100 GiB", "-1 GB", "1 GBit"],
      messageRetention: ["7", "9 minutes", "32 days", "1 week", "-1 days", "0 days"],
      monthlyBudget: ["-500", "500.5"],
      billingAccount: ["1012345-6789AB-CDEF01", "012345-6789AB-CDEF012"],
      githubRepository: ["https://github.com/a/b", "a", "a/b/c"],
      githubRepositoryId: ["a/b", "0", "12345678901234567890"],
      environment: ["staging", "production"],
      horizonWeeks: ["0", "521", "1.5", "many"],
      annualDiscountRate: ["10 %", "1.5"],
    };
    for (const [key, values] of Object.entries(wrong))
      it(`${key} is not ${values.join(" or ")}`, () => {
        for (const value of values) {
          const { message } = problemOf({ ...minimal, ...existing, ...spending, ...workflows, [key]: value });
          const start = `customer-value:${key} is ${value}: `;
          assert.ok(message.startsWith(start), message);
          assert.match(message.slice(start.length), ALLOWED);
        }
      });

    it("are those that nobody asks for, too", () => {
      const given = ["customer-value:notificationEmail", "gcp:project", "customer-value:region"];
      const config = {
        name: "customer-value",
        given,
        get: (key: string) => Object.entries(minimal).find(([name]) => name === key)?.[1],
      };
      assert.throws(() => readSettings(config, "dev"), {
        message:
          "customer-value:notificationEmail is not a setting; the nearest is customer-value:notificationEmails",
        remedy: "pulumi config rm customer-value:notificationEmail",
      });
    });

    it("are half a budget", () => {
      const { message } = problemOf({ ...minimal, monthlyBudget: "500" });
      assert.match(message, /^customer-value:billingAccount is not set: must be like/);
      assert.equal(read({ ...minimal, monthlyBudget: " " }).budget, undefined);
      assert.deepEqual(read({ ...minimal, ...spending }).budget, {
        billingAccount: "012345-6789AB-CDEF01",
        monthly: "500",
      });
    });

    it("are reported all at once, also those that are missing", () => {
      const problem = problemOf({ region: "mars", orchestrator: "existing-composer" }, "staging");
      assert.deepEqual(
        problem.message.split("\n").map((line) => line.split(": ")[0]),
        [
          "customer-value:environment is staging",
          "customer-value:project is not set",
          "customer-value:region is mars",
          "customer-value:ordersTable is not set",
          "customer-value:composerEnvironment is not set",
          "customer-value:composerDagBucket is not set",
          "customer-value:composerServiceAccount is not set",
        ],
      );
      assert.equal(read(proposed(problem.remedy) as Record<string, string>).project, "my-project");
    });
  });
});

function proposedExample(schema: z.ZodType): unknown {
  return schema.meta()?.example ?? schema.parse(undefined);
}
