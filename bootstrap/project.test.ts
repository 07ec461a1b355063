import assert from "node:assert/strict";
import { readSettings } from "../components/settings.ts";
import type { CloudClient } from "./cloud-client.ts";
import { composer } from "./project.ts";

const PARENT = "composer.googleapis.com/v1/projects/my-project/locations/europe-west1";
const IMAGE = "composer-3-airflow-2.11.1-build.17";

/** Checks a stack with these settings against a Google Cloud with these responses, by URL without the query. */
function check(settings: Readonly<Record<string, string>>, responses: Readonly<Record<string, object>>) {
  const all: Readonly<Record<string, string>> = {
    project: "my-project",
    region: "europe-west1",
    ordersTable: "my-project.raw.orders",
    ...settings,
  };
  const config = { name: "customer-value", get: (key: string) => all[key], given: [] };
  const client = { call: async (url: string) => responses[url.split("?")[0]!] } as unknown as CloudClient;
  return composer({ client, stack: "dev", app: config.name, settings: readSettings(config, "dev") });
}

describe("the check of Composer", () => {
  const images = (...imageVersions: object[]) => ({ [`${PARENT}/imageVersions`]: { imageVersions } });

  it("needs nothing when the orchestrator is workflows", async () => {
    assert.equal((await check({ orchestrator: "workflows" }, {})).state, "ok");
  });

  it("finds the image of a new environment", async () => {
    const found = await check({ orchestrator: "composer" }, images({ imageVersionId: IMAGE }));
    assert.equal(found.state, "ok");
  });

  for (const [what, image, fix] of [
    [
      "another image",
      { imageVersionId: "composer-3-airflow-2.11.9-build.1" },
      /composerImageVersion: composer-3-airflow-2.11.9-build.1/,
    ],
    [
      "an image that can't be created any more",
      { imageVersionId: IMAGE, creationDisabled: true },
      /region: europe-west1/,
    ],
  ] as const)
    it(`reports ${what}, and the setting that fixes it`, async () => {
      const found = await check({ orchestrator: "composer" }, images(image));
      assert.equal(found.state, "missing");
      assert.match(found.found, /has no composer-3-airflow-2.11.1/);
      assert.match(found.fix ?? "", fix);
    });

  const existing = {
    orchestrator: "existing-composer",
    composerEnvironment: "data-platform",
    composerDagBucket: "europe-west1-data-platform-bucket",
    composerServiceAccount: "composer@my-project.iam.gserviceaccount.com",
  };
  const dags = (bucket: string) => ({
    [`${PARENT}/environments/data-platform`]: { config: { dagGcsPrefix: `gs://${bucket}/dags` } },
  });
  for (const [what, responses, state, found, fix] of [
    ["as set", dags(existing.composerDagBucket), "ok", /^data-platform, with its DAGs in europe/, /^$/],
    ["with other DAGs", dags("other"), "missing", /in other$/, /composerDagBucket: other /],
    ["absent", {}, "missing", /^data-platform does not exist/, /^gcloud composer environments list/],
  ] as const)
    it(`checks an existing environment: ${what}`, async () => {
      const finding = await check(existing, responses);
      assert.equal(finding.state, state);
      assert.match(finding.found, found);
      assert.match(finding.fix ?? "", fix);
    });
});
