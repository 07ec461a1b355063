import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { REGIONS } from "../components/settings.ts";
import { type Declared, declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { regions } from "./regions.ts";

const bucket = (location: string) => declared(gcp.storage.Bucket, "artifacts", { location });
const check = (resource: Declared, config?: object) => evaluate([regions()], resource, config);

describe("regions", () => {
  it("must be allowed", async () => {
    assert.match((await check(bucket("us-west4"))).join(), /found location "us-west4", not one of EU, /);
    const composer = declared(gcp.composer.Environment, "airflow", { region: "us-south1" });
    assert.match((await check(composer)).join(), /region "us-south1"/);
    assert.match((await check(declared(gcp.compute.Instance, "vm", { zone: "us-south1-b" }))).join(), /zone/);
    const dataset = declared(gcp.bigquery.Dataset, "rfm", {});
    const [message, ...more] = await check(dataset, { allowed: ["EU"] });
    assert.match(message!, /found location "US", not one of EU\./);
    assert.deepEqual(more, []);
  });

  it("pass in the allowed ones, in any case, and while unknown", async () => {
    for (const location of ["EU", "eu", "europe-west1", "EUROPE-WEST1", LATER])
      assert.deepEqual(await check(bucket(location)), []);
    assert.deepEqual(await check(declared(gcp.compute.Instance, "vm", { zone: "europe-west1-b" })), []);
  });

  it("are all that a stack may be set to", async () => {
    for (const location of ["EU", "US", ...REGIONS])
      assert.deepEqual(await check(bucket(location)), [], location);
  });

  it("are those of the configuration", async () => {
    const config = { allowed: ["us-central1"] };
    assert.deepEqual(await check(bucket("US-CENTRAL1"), config), []);
    assert.equal((await check(bucket("EU"), config)).length, 1);
  });
});
