import assert from "node:assert/strict";
import { checkRequest } from "../test/google-apis/check.ts";
import { type RegistryOptions, registerChampion } from "./model-registry.ts";

const options = { project: "p", region: "europe-west1", name: "customer-value-dev" };
const version = (model_id: string) => ({
  model_id,
  family: "mbgnbd",
  run_date: "2026-03-02",
  files: `gs://b/models/${model_id}`,
  image: "europe-west1-docker.pkg.dev/p/images/clv@sha256:0",
});

interface Version {
  readonly versionAliases: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly artifactUri: string;
}
interface Upload {
  readonly modelId?: string;
  readonly parentModel?: string;
  readonly model: Version;
}

/** Model Registry with the versions of one model, the newest champion last. Requests are checked by Google's description. */
class Registry {
  readonly uploads: Upload[] = [];
  /** How often an upload is asked for before it is there. */
  late = 0;
  /** The status of each answer to a question, in place of what is there. */
  refusal: number | undefined;
  readonly auth = {
    request: async ({ url, method = "GET", data, validateStatus }: Record<string, unknown>) => {
      const { problems } = checkRequest({ method: String(method), url: String(url), body: data });
      assert.deepEqual(problems, []);
      if (method === "POST") {
        this.uploads.push(data as Upload);
        return { status: 200, data: { name: "operations/1" } };
      }
      const newest = this.uploads.at(this.uploads.length > 0 && this.late-- > 0 ? -2 : -1)?.model;
      const status = this.refusal ?? (newest === undefined ? 404 : 200);
      if (!(validateStatus as (status: number) => boolean)(status))
        throw Object.assign(new Error(`answered ${status}`), { status });
      return { status, data: newest };
    },
  } as unknown as NonNullable<RegistryOptions["auth"]>;
}

describe("Vertex AI Model Registry", () => {
  let registry: Registry;
  const register = (model_id: string, more: Partial<RegistryOptions> = {}) =>
    registerChampion(version(model_id), { ...options, auth: registry.auth, ...more });
  beforeEach(() => {
    registry = new Registry();
  });

  it("has the first champion as a new model, and later ones as its versions", async () => {
    await register("mbgnbd-1");
    await register("mbgnbd-2");
    const model = (model_id: string) => ({
      displayName: "customer-value-dev",
      versionAliases: ["champion"],
      versionDescription: `${model_id}, fitted by the run of 2026-03-02`,
      artifactUri: `gs://b/models/${model_id}`,
      containerSpec: { imageUri: "europe-west1-docker.pkg.dev/p/images/clv@sha256:0" },
      labels: { model_id, family: "mbgnbd", run_date: "2026-03-02" },
    });
    const parentModel = "projects/p/locations/europe-west1/models/customer-value-dev";
    assert.deepEqual(registry.uploads, [
      { modelId: "customer-value-dev", model: model("mbgnbd-1") },
      { parentModel, model: model("mbgnbd-2") },
    ]);
  });

  it("has a champion once, when a run is repeated", async () => {
    await register("mbgnbd-1");
    await register("mbgnbd-1");
    assert.equal(registry.uploads.length, 1);
  });

  it("is replaced also where the version has no label of ours", async () => {
    await register("mbgnbd-1");
    registry.uploads[0] = { model: { ...registry.uploads[0]!.model, labels: {} } };
    await register("mbgnbd-2");
    assert.equal(registry.uploads.length, 2);
  });

  it("is waited for", async () => {
    registry.late = 3;
    await register("mbgnbd-1", { timeLimit: 6000 });
    assert.equal(registry.late, -1);
  });

  it("reports a version that does not appear", async () => {
    registry.late = Number.POSITIVE_INFINITY;
    await assert.rejects(register("mbgnbd-1", { timeLimit: 100 }), {
      name: "UserError",
      message: "The model mbgnbd-1 is not in Vertex AI after 0.1 s.",
      remedy:
        "Look at the versions of the model customer-value-dev in Model Registry, and run the date again.",
    });
  });

  it("uploads nothing when Vertex AI refuses the question", async () => {
    registry.refusal = 403;
    await assert.rejects(register("mbgnbd-1"), /answered 403/);
    assert.equal(registry.uploads.length, 0);
  });
});
