import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { deployPermissions } from "../components/deploy-permissions.ts";
import { checkRequest } from "../test/google-apis/check.ts";
import { APIS } from "./plan.ts";

type Answer = object | number | "never";
interface Result {
  readonly name: string;
  readonly state: string;
  readonly blocks: boolean;
  readonly found: string;
  readonly fix?: string;
}

const PROJECT = "my-project-dev";
const REGION = "europe-west1";
const field = (name: string, type: string) => ({ name, type });
const columns = [
  ...[field("order_id", "STRING"), field("customer_id", "STRING")],
  ...[field("ordered_at", "TIMESTAMP"), field("amount", "NUMERIC")],
];

/** Responses of Google Cloud when everything is ready, by host and path without the query. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  [`cloudresourcemanager.googleapis.com/v3/projects/${PROJECT}`]: { state: "ACTIVE" },
  [`cloudresourcemanager.googleapis.com/v3/projects/${PROJECT}:testIamPermissions`]: { permissions: "all" },
  [`cloudbilling.googleapis.com/v1/projects/${PROJECT}/billingInfo`]: {
    billingEnabled: true,
    billingAccountName: "billingAccounts/1",
  },
  [`serviceusage.googleapis.com/v1/projects/${PROJECT}/services:batchGet`]: {
    services: Object.keys(APIS).map((name) => ({ state: "ENABLED", config: { name } })),
  },
  [`bigquery.googleapis.com/bigquery/v2/projects/${PROJECT}/datasets/raw`]: { location: REGION },
  [`bigquery.googleapis.com/bigquery/v2/projects/${PROJECT}/datasets/raw/tables/orders`]: {
    schema: { fields: columns },
  },
  [`serviceusage.googleapis.com/v1beta1/projects/${PROJECT}/services/aiplatform.googleapis.com/consumerQuotaMetrics/aiplatform.googleapis.com%2Fcustom_model_training_cpus`]:
    {
      consumerQuotaLimits: [
        {
          quotaBuckets: [
            { effectiveLimit: "1" },
            { effectiveLimit: "42", dimensions: { region: REGION } },
            { effectiveLimit: "2", dimensions: { region: "us-central1" } },
          ],
        },
      ],
    },
};

/** Scripts that stand for the programs. */
const PROGRAMS: Readonly<Record<string, string>> = {
  gcloud: `case "$*" in
  *--version*) echo "Google Cloud SDK 528.0.0";;
  *"auth list"*) echo me@example.com;;
  *print-access-token*) echo a-token;;
esac`,
  pulumi: "echo v3.300.1",
  docker: `case "$*" in version*) echo 28.2.2;; *) echo "Docker version 28.2.2, build 1";; esac`,
  gh: `case "$*" in *--version*) echo "gh version 2.62.0 (2024-11-14)";; esac`,
};

describe("doctor", function () {
  this.timeout(60_000);
  const main = new URL("../cli/doctor.ts", import.meta.url).pathname;
  let server: Server;
  /** What Google's own descriptions of the APIs do not allow in the requests. */
  const wrong: string[] = [];
  let answers: Record<string, Answer>;
  before(async () => {
    server = createServer(async (request, response) => {
      const [path = ""] = (request.url ?? "").slice(1).split("?");
      const body = await text(request);
      const sent = body === "" ? undefined : JSON.parse(body);
      const url = `https://${(request.url ?? "").slice(1)}`;
      wrong.push(...checkRequest({ method: request.method ?? "", url, body: sent }).problems);
      const asIfDev = path.replaceAll(/my-project-prod|my-shop/g, PROJECT).replace("value-prod", "value-dev");
      let answer = request.headers.authorization === "Bearer a-token" ? (answers[asIfDev] ?? 404) : 401;
      const asked = body === "" ? [] : JSON.parse(body).permissions;
      if (asked.length > 100) answer = 400;
      if (answer === "never") return;
      if (typeof answer === "number") return response.writeHead(answer).end("<p>No.</p>");
      const { permissions } = answer as { permissions?: unknown };
      if (permissions === "all") answer = { permissions: asked };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => assert.deepEqual(wrong.splice(0), []));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Runs doctor with only these programs on the PATH, and with a local server in place of Google Cloud. */
  async function run(
    args: readonly string[],
    programs: Readonly<Record<string, string | undefined>> = {},
    changed: Readonly<Record<string, Answer>> = {},
    faster = 1,
  ) {
    answers = { ...ANSWERS, ...changed };
    const folder = mkdtempSync(join(tmpdir(), "doctor-"));
    for (const [name, script] of Object.entries({ ...PROGRAMS, ...programs })) {
      if (script === undefined) continue;
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    const { port } = server.address() as AddressInfo;
    const here = `const real = fetch; globalThis.fetch = (url, init) => real(url.replace("https://", "http://127.0.0.1:${port}/"), init);
      const limit = AbortSignal.timeout; AbortSignal.timeout = (ms) => limit.call(AbortSignal, ms / ${faster});`;
    const child = spawn(process.execPath, [main, ...args], {
      env: {
        PATH: folder,
        NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(here)}"`,
      },
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    rmSync(folder, { recursive: true });
    return { stdout, stderr, status: status as number };
  }

  async function check(
    name: string,
    ...setup: [Record<string, string | undefined>?, Record<string, Answer>?, number?]
  ) {
    const { stdout, status } = await run(["--stack", "dev", "--json"], ...setup);
    const found = JSON.parse(stdout) as { ready: boolean; checks: Result[] };
    assert.equal(found.ready, status === 0);
    return { ...found.checks.find((it) => it.name === name)!, status, checks: found.checks };
  }

  it("reports that everything is ready", async () => {
    const { stdout, status, stderr } = await run(["--stack", "dev"]);
    assert.equal(stderr, "");
    assert.equal(status, 0, stdout);
    assert.equal(stdout.match(/^✔/gm)?.length, 15, stdout);
    assert.match(stdout, /Ready: npm run bootstrap -- --stack dev --run/);
    assert.match(stdout, /^✔ quota +42 CPUs/m);
    assert.match(stdout, /^✔ gcloud login +me@example.com/m);
    assert.match(stdout, /^✔ permissions +all 1\d\d$/m);
  });

  it("lists what is missing on a machine without any program", async () => {
    const nothing = Object.fromEntries(Object.keys(PROGRAMS).map((name) => [name, undefined]));
    const { stdout, status, stderr } = await run(["--stack", "dev"], nothing);
    assert.equal(stderr, "");
    assert.equal(status, 1);
    assert.match(stdout, /^✘ gcloud +not installed\n +curl .*sdk\.cloud\.google\.com/m);
    assert.match(stdout, /^\? project +needs first: gcloud login$/m);
    assert.match(stdout, /3 missing .* 10 unknown/);
  });

  type Case = [
    name: string,
    what: string,
    programs: Record<string, string | undefined>,
    answers: Record<string, Answer>,
    found: RegExp,
    fix: RegExp,
    blocks?: false,
  ];
  const path = (part: string) => Object.keys(ANSWERS).find((it) => it.endsWith(part))!;
  const off = Object.keys(APIS).map((name) => ({ state: "DISABLED", config: { name } }));
  const CASES: readonly Case[] = [
    ["gcloud", "too old", { gcloud: "echo Google Cloud SDK 370.0.0" }, {}, /^370.0.0/, /sdk.cloud/],
    ["pulumi", "older than the lock file's", { pulumi: "echo v3.100.9" }, {}, /^3.100.9/, /--version 3\.\d/],
    ["pulumi", "of another major version", { pulumi: "echo v4.0.0" }, {}, /^4.0.0/, /get.pulumi.com/],
    ["docker", "not installed", { docker: undefined }, {}, /not installed/, /get.docker.com/],
    [
      "docker engine",
      "not running",
      { docker: 'case "$*" in version*) echo Cannot connect >&2; exit 1;; *) echo 28.2.2;; esac' },
      {},
      /^Cannot connect$/,
      /start docker/,
    ],
    [
      "gcloud login",
      "not logged in",
      { gcloud: 'case "$*" in *--version*) echo 528.0.0;; esac' },
      {},
      /not logged in/,
      /^gcloud auth login$/,
    ],
    [
      "pulumi login",
      "no default credentials",
      { gcloud: `case "$*" in *application-default*) exit 1;; esac\n${PROGRAMS.gcloud}` },
      {},
      /no application-default/,
      /application-default login$/,
    ],
    [
      "project",
      "absent",
      {},
      { [path("v3/projects/my-project-dev")]: 403 },
      /does not exist/,
      /projects create my/,
    ],
    [
      "project",
      "deleted",
      {},
      { [path("v3/projects/my-project-dev")]: { state: "DELETE_REQUESTED" } },
      /DELETE_REQUESTED/,
      /undelete/,
    ],
    [
      "billing",
      "not linked",
      {},
      { [path("billingInfo")]: { billingEnabled: false } },
      /has no billing account/,
      /billing projects link/,
    ],
    [
      "permissions",
      "some",
      {},
      { [path(":testIamPermissions")]: { permissions: deployPermissions().slice(1) } },
      /^6 of 128 are missing: artifactregistry\S+, cloudkms\S+, cloudkms\S+ and 3 more$/,
      /--member user:me@example.com --role roles\/owner$/,
    ],
    [
      "APIs",
      "off",
      {},
      { [path(":batchGet")]: { services: off } },
      /^21 are off: /,
      /services enable aiplatform/,
      false,
    ],
    [
      "orders",
      "no dataset",
      {},
      { [path("datasets/raw")]: 404 },
      /no dataset my-project-dev.raw/,
      /docs\/deploy/,
    ],
    [
      "orders",
      "elsewhere",
      {},
      { [path("datasets/raw")]: { location: "US" } },
      /is in US/,
      /warehouseLocation: US/,
    ],
    ["orders", "no table", {}, { [path("tables/orders")]: 404 }, /no table/, /docs\/deploy/],
    [
      "orders",
      "other columns",
      {},
      {
        [path("tables/orders")]: {
          schema: { fields: columns.with(2, field("ordered_at", "DATE")).slice(1) },
        },
      },
      /order_id is missing, not STRING; ordered_at is DATE, not TIMESTAMP/,
      /docs\/deploy/,
    ],
    [
      "orders",
      "a filter is required on another column",
      {},
      {
        [path("tables/orders")]: {
          schema: { fields: columns },
          timePartitioning: { field: "loaded_on" },
          requirePartitionFilter: true,
        },
      },
      /raw.orders requires a filter on loaded_on/,
      /bq update --norequire_partition_filter my-project-dev:raw.orders/,
    ],
    [
      "quota",
      "too small",
      {},
      {
        [path("training_cpus")]: {
          consumerQuotaLimits: [{ quotaBuckets: [{ effectiveLimit: "2", dimensions: { region: REGION } }] }],
        },
      },
      /^2 CPUs/,
      /quotas preferences create .* --dimensions region=europe-west1 --preferred-value 8/,
      false,
    ],
  ];
  for (const [name, what, programs, changed, found, fix, blocks] of CASES)
    it(`reports what is missing and the command that fixes it: ${name} (${what})`, async () => {
      const result = await check(name, programs, changed);
      assert.equal(result.state, "missing", JSON.stringify(result.checks, null, 1));
      assert.match(result.found, found);
      assert.match(result.fix ?? "", fix);
      assert.equal(result.blocks, blocks ?? true);
      assert.equal(result.status, result.blocks ? 1 : 0);
      assert.equal(spawnSync("sh", ["-n"], { input: result.fix }).status, 0, result.fix);
    });

  it("reports a check without an answer as unknown, with the reason", async () => {
    const { state, found, status } = await check("billing", {}, { [path("billingInfo")]: 500 });
    assert.deepEqual([state, status], ["unknown", 0]);
    assert.match(found, /cloudbilling.googleapis.com returned 500: <p>No/);
  });

  it("stops waiting for an answer after a time limit", async () => {
    const { state, found } = await check("billing", {}, { [path("billingInfo")]: "never" }, 20);
    assert.equal(state, "unknown");
    assert.match(found, /timeout/);
  });

  it("reports wrong settings, with the way to fix them", async () => {
    const { stdout, status } = await run(["--stack", "staging"]);
    assert.equal(status, 1);
    assert.match(stdout, /^✘ settings +Pulumi.staging.yaml can't be read: .*\n +Create it: /m);
    assert.match(stdout, /^\? project +needs first: settings$/m);
  });

  it("checks gh when githubRepository is set", async () => {
    const programs = { gh: PROGRAMS.gh!.replace("esac", "*) exit 1;; esac") };
    const { stdout } = await run(["--stack", "prod", "--json"], programs);
    const gh = (JSON.parse(stdout).checks as Result[]).find((it) => it.name === "gh");
    assert.deepEqual([gh?.state, gh?.fix, gh?.blocks], ["missing", "gh auth login", false]);
  });

  it("shows its options", async () => {
    assert.match((await run(["--help"])).stdout, /--stack <name>[\s\S]*--json/);
    assert.equal((await run([])).status, 1);
  });
});
