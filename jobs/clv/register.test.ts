import assert from "node:assert/strict";
import { modelStep } from "../../test/model-step.ts";
import { registerNewChampion } from "./register.ts";

const champion = { model_id: "boosting-1", family: "boosting", files: "models/boosting-1" };
const variables = {
  MODEL_REGISTRY_URL: "vertex-ai://p/europe-west1/customer-value-dev",
  IMAGES: JSON.stringify({ clv: "clv@sha256:0", boosting: "boosting@sha256:1" }),
};
const unused = () => assert.fail("nothing is to be registered");

describe("a new champion", () => {
  it("is registered with its files and the image that made it", async () => {
    const step = { ...modelStep("train", { run_date: "2026-03-02" }), artifactsUrl: "gs://b" };
    const registered: unknown[] = [];
    const register = async (...what: unknown[]) => void registered.push(what);
    await registerNewChampion(step, champion, variables, register);
    await registerNewChampion(step, { ...champion, family: "mbgnbd" }, variables, register);
    const options = { project: "p", region: "europe-west1", name: "customer-value-dev" };
    const version = {
      ...{ model_id: "boosting-1", family: "boosting", run_date: "2026-03-02" },
      ...{ files: "gs://b/models/boosting-1", image: "boosting@sha256:1" },
    };
    assert.deepEqual(registered, [
      [version, options],
      [{ ...version, family: "mbgnbd", image: "clv@sha256:0" }, options],
    ]);
    assert.deepEqual(step.report.warnings, []);
  });

  it("is not registered where the stack has no registry, and the champion that stays is not registered again", async () => {
    const step = modelStep("train", { run_date: "2026-03-02" });
    await registerNewChampion(step, champion, {}, unused);
    await registerNewChampion(step, undefined, variables, unused);
  });

  it("needs the URL of a registry", async () => {
    const step = modelStep("train", { run_date: "2026-03-02" });
    for (const url of ["customer-value", "xvertex-ai://p/r/m", "vertex-ai://p/r", "vertex-ai://p/r/m/4", ""])
      await assert.rejects(
        registerNewChampion(step, undefined, { MODEL_REGISTRY_URL: url }, unused),
        /environment: MODEL_REGISTRY_URL: must be vertex-ai:\/\/project\/region\/model/,
      );
  });

  it("scores although the registry refuses it, with a warning", async () => {
    const step = modelStep("train", { run_date: "2026-03-02" });
    await registerNewChampion(step, champion, variables, () => Promise.reject(new Error("no permission")));
    assert.deepEqual(step.report.warnings, [
      "The champion boosting-1 is not in Vertex AI Model Registry. no permission",
    ]);
  });
});
