import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { PERMISSIONS } from "../components/deploy-permissions.ts";
import { APIS } from "./plan.ts";

/** The API of each module of the provider, where its name differs. */
const API_OF: Readonly<Record<string, string>> = {
  billing: "billingbudgets",
  cloudrunv2: "run",
  kms: "cloudkms",
  projects: "cloudresourcemanager",
  serviceaccount: "iam",
};

describe("bootstrap", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "bootstrap-"));
  const calls = join(folder, "calls");
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => rmSync(calls, { force: true }));

  /** Runs bootstrap with programs on the PATH that only record how they were called. */
  function bootstrap(args: readonly string[], failing = "^$", done = "^$") {
    for (const program of ["gcloud", "pulumi", "gh"]) {
      const file = join(folder, program);
      const line = `${program} $*`;
      writeFileSync(
        file,
        `#!/bin/sh\necho "${line}" >> '${calls}'\necho "${line}" | grep -Eq '${failing}' && exit 3\ncase "$*" in *describe*|*select*) echo "${line}" | grep -Eq '${done}' || exit 1;; esac\nexit 0\n`,
      );
      chmodSync(file, 0o755);
    }
    const main = new URL("../cli/bootstrap.ts", import.meta.url).pathname;
    const path = [folder, process.env.PATH].join(delimiter);
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
      encoding: "utf8",
      env: { ...process.env, PATH: path },
    });
    return {
      status,
      stdout,
      stderr,
      called: existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [],
    };
  }

  it("prints the commands and runs none of them", () => {
    const { status, stdout, called } = bootstrap(["--stack", "dev"]);
    assert.equal(status, 0);
    assert.deepEqual(called, []);
    assert.match(stdout, /^gcloud services enable .*aiplatform.* --project my-project-dev$/m);
    assert.match(stdout, /^pulumi up --stack dev --policy-pack policy$/m);
    assert.doesNotMatch(stdout, /^gh /m);
  });

  it("prints a valid shell script", () => {
    const { stdout } = bootstrap(["--stack", "prod"]);
    assert.match(stdout, /gh variable set/);
    assert.equal(spawnSync("sh", ["-n"], { input: stdout }).status, 0);
  });

  it("runs the commands in order, and sets the variables of the workflows if there is a repository", () => {
    const { status, stdout, called } = bootstrap(["--stack", "prod", "--run"]);
    assert.equal(status, 0, stdout);
    assert.deepEqual(
      called.map((line) => line.split(" ").slice(0, 4).join(" ")),
      [
        "gcloud services enable aiplatform.googleapis.com",
        "gcloud services enable workflows.googleapis.com",
        "gcloud storage buckets describe",
        "gcloud storage buckets create",
        "gcloud storage buckets update",
        "gcloud kms keyrings describe",
        "gcloud kms keyrings create",
        "gcloud kms keys describe",
        "gcloud kms keys create",
        "pulumi login gs://my-project-prod-customer-value-prod-state",
        "pulumi stack select prod",
        "pulumi stack init prod",
        "gcloud auth configure-docker europe-west1-docker.pkg.dev",
        "pulumi up --stack prod",
        "gh variable set PULUMI_BACKEND_URL_PROD",
        "gh variable set REGION_PROD",
        "gh variable set DEPLOY_ACCOUNT_PROD",
        "gh variable set PREVIEW_ACCOUNT_PROD",
        "gcloud projects describe my-project-prod",
        "gh variable set WORKLOAD_IDENTITY_PROVIDER_PROD",
      ],
    );
    assert.match(
      called.join("\n"),
      /stack init prod --secrets-provider gcpkms:\/\/projects\/my-project-prod\//,
    );
  });

  it("creates nothing a second time", () => {
    const { stdout, called } = bootstrap(["--stack", "dev", "--run"], "^$", ".");
    assert.doesNotMatch(called.join("\n"), / (create|init) /);
    assert.equal(stdout.match(/: already done/g)?.length, 4);
  });

  it("stops at the first failure and says what to do", () => {
    const { status, stderr, called } = bootstrap(["--stack", "dev", "--run"], "keyrings create");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /4\/9 Create the key ring: gcloud kms keyrings create .* failed \(exit code 3\)\.\nFix what it reports/,
    );
    assert.match(called.at(-1)!, /keyrings create/);
  });

  it("names the missing file, and shows its options", () => {
    const { status, stderr } = bootstrap(["--stack", "staging"]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^Pulumi\.staging\.yaml can't be read: .*\nCreate it: Pulumi\.dev\.yaml is the smallest/,
    );
    assert.match(bootstrap(["--help"]).stdout, /--stack <name>[\s\S]*--run/);
  });

  it("turns on at most as many APIs at once as Service Usage takes", () => {
    const commands =
      bootstrap(["--stack", "dev"]).stdout.match(/gcloud services enable [^&\n]*(?= --project)/g) ?? [];
    const named = commands.map((command) => command.split(" ").slice(3));
    assert.deepEqual(named.flat(), Object.keys(APIS));
    // "A single request can enable a maximum of 20 services at a time": serviceusage/v1/serviceusage-api.json
    for (const apis of named) assert.ok(apis.length <= 20, `${apis.length} APIs`);
  });

  it("turns on the API of every resource that the stack can have", () => {
    const modules = Object.keys(PERMISSIONS).flatMap((type) => /^gcp:(\w+)\//.exec(type)?.[1] ?? []);
    for (const module of new Set(modules))
      assert.ok(`${API_OF[module] ?? module}.googleapis.com` in APIS, module);
  });
});
