import { runSettings } from "../contracts/run.ts";
import { stepStarted } from "../contracts/step.ts";
import type { Step } from "../jobs/job.ts";
import { createLogger } from "../lib/log.ts";

/** A step of the model in process: default settings with these changes, artifacts in memory, no log. */
export function modelStep<P extends { run_date: string }>(name: string, parameters: P) {
  const artifacts = new Map<string, string>();
  const unused = () => Promise.reject(new Error("not used"));
  const step: Step<ReturnType<typeof runSettings.parse> & { candidates: string } & P> = {
    parameters: { ...runSettings.parse({}), candidates: "", step: name, run_id: "run-1", ...parameters },
    report: stepStarted(name),
    log: createLogger({ component: "test" }, "silent"),
    artifactsUrl: "file:///unused",
    artifactUrls: { inputs: {}, outputs: {} },
    warehouse: unused,
    publisher: unused,
    writeFile: async (path, text) => void artifacts.set(path, text),
    writeArtifact: async (artifact, text) => void artifacts.set(artifact, text),
  };
  return { ...step, artifacts };
}
