import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { CANDIDATES, type Candidate } from "../jobs/candidates.ts";
import { LAUNCHER } from "../jobs/custom-job.ts";
import { pipelineSpec } from "../jobs/pipeline.ts";
import { startVertexAi, type VertexAiEmulator } from "./emulators/vertex-ai.ts";

interface Job {
  readonly name: string;
  readonly state: string;
  readonly displayName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly jobSpec: {
    readonly workerPoolSpecs: readonly { readonly containerSpec: { readonly args: readonly string[] } }[];
  };
}

/** Google's launcher is the one of the image, from PyPI; Google's protobuf parses the job. */
describe("A candidate as a custom job, by Google's launcher", () => {
  const parent = "projects/p/locations/europe-west1";
  const names = Object.keys(CANDIDATES) as Candidate[];
  const { deploymentSpec } = pipelineSpec({
    images: {
      "sql-runner": "x/sql-runner@sha256:1",
      clv: "x/clv@sha256:1",
      notify: "x/notify@sha256:1",
      ...Object.fromEntries(names.map((name) => [name, `x/${name}@sha256:1`])),
    },
    candidates: names,
    customJobs: {
      project: "p",
      region: "europe-west1",
      serviceAccount: "candidates@p.iam.gserviceaccount.com",
    },
    env: { ARTIFACTS_URL: "gs://b", WAREHOUSE_URL: "bigquery://p/EU" },
  });
  /** An ExecutorInput whose JSON has quotation marks, backslashes and line breaks. */
  const executorInput = {
    inputs: { parameterValues: { step: "boosting", run_id: "clv-20260302-1", odd: 'a "b" \\ c\n{{d}}' } },
    outputs: { outputFile: "/gcs/b/runs/clv-20260302-1/1/clv-20260302-1/boosting_-1/executor_output.json" },
  };
  let vertex: VertexAiEmulator;
  let folder: string;
  before(async () => {
    vertex = await startVertexAi();
    folder = mkdtempSync(join(tmpdir(), "custom-job-"));
  });
  after(async () => {
    await vertex?.close();
    rmSync(folder, { recursive: true });
  });

  /** Starts the launcher as Vertex AI would: each placeholder has its value. */
  function launch(name: Candidate, gcpResources: string) {
    const { container } = deploymentSpec.executors[`exec-${name}`]!;
    const values: Readonly<Record<string, string>> = {
      "{{$.inputs.parameters['run_id']}}": executorInput.inputs.parameterValues.run_id,
      "{{$.json_escape[1]}}": JSON.stringify(JSON.stringify(executorInput)).slice(1, -1),
      "{{$.outputs.parameters['gcp_resources'].output_file}}": gcpResources,
    };
    const args = container.args.map((arg) =>
      arg.replace(/\{\{\$.*?\}\}/g, (placeholder) => values[placeholder] ?? assert.fail(placeholder)),
    );
    const [program = "", ...first] = vertex.launcher;
    const child = spawn(program, [...first, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    child.stderr.on("data", (chunk) => {
      log += chunk;
    });
    return { ended: once(child, "close").then(([code]) => code as number), log: () => log };
  }

  const jobs = async (): Promise<readonly Job[]> =>
    ((await (await fetch(`${vertex.endpoint}/v1/${parent}/customJobs`)).json()) as { customJobs: Job[] })
      .customJobs;

  async function jobNumber(count: number): Promise<Job> {
    for (;;) {
      const all = await jobs();
      if (all.length >= count) return all[count - 1]!;
      await setTimeout(200);
    }
  }

  it("has the version of the image", () => {
    const lock = readFileSync(new URL("./emulators/vertex-ai.lock", import.meta.url), "utf8");
    const version = /^google-cloud-pipeline-components==(.*)$/m.exec(lock)![1];
    assert.equal(LAUNCHER.split(":")[1], version);
  });

  it("runs as the account of candidates on its machine, with the input as Vertex AI gave it and the run's id", async () => {
    const file = join(folder, "one", "gcp_resources");
    const launcher = launch("boosting", file);
    const early = launcher.ended.then((code) => assert.fail(`it ended with ${code}: ${launcher.log()}`));
    const { name, state, ...job } = await Promise.race([jobNumber(1), early]);
    early.catch(() => undefined);
    assert.equal(state, "JOB_STATE_PENDING");
    const [argument, input = ""] = job.jobSpec.workerPoolSpecs[0]!.containerSpec.args;
    assert.equal(argument, "--executor-input");
    assert.deepEqual(JSON.parse(input), executorInput);
    assert.deepEqual(job, {
      displayName: "clv-20260302-1-boosting",
      labels: { run_id: "clv-20260302-1", step: "boosting" },
      jobSpec: {
        serviceAccount: "candidates@p.iam.gserviceaccount.com",
        scheduling: { timeout: "2400s" },
        workerPoolSpecs: [
          {
            replicaCount: "1",
            machineSpec: { machineType: "e2-standard-4" },
            containerSpec: {
              imageUri: "x/boosting@sha256:1",
              args: ["--executor-input", input],
              env: [
                { name: "ARTIFACTS_URL", value: "gs://b" },
                { name: "TIME_LIMIT_SECONDS", value: "1800" },
              ],
            },
          },
        ],
      },
    });
    await vertex.change(name, { state: "JOB_STATE_SUCCEEDED" });
    assert.equal(await launcher.ended, 0, launcher.log());
    const { resources } = JSON.parse(readFileSync(file, "utf8"));
    assert.equal(resources[0].resourceUri, `https://europe-west1-aiplatform.googleapis.com/v1/${name}`);

    // A launcher that starts again finds the job.
    assert.equal(await launch("boosting", file).ended, 0);
    assert.equal((await jobs()).length, 1);
  });

  it("fails where the job fails", async () => {
    const launcher = launch("averages", join(folder, "two", "gcp_resources"));
    const { name } = await jobNumber(2);
    await vertex.change(name, { state: "JOB_STATE_FAILED", error: { code: 3, message: "it exited with 1" } });
    assert.notEqual(await launcher.ended, 0);
    assert.match(launcher.log(), /JOB_STATE_FAILED|error state/);
  });
});
