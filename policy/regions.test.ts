import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { type Declared, declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { regions } from "./regions.ts";

const bucket = (location: string) => declared(gcp.storage.Bucket, "artifacts", { location });
const check = (resource: Declared, config?: object) => evaluate([regions()], resource, config);

describe("regions", () => {
  it("must be allowed", async () => {
    assert.match(
      (await check(bucket("us-central1"))).join(),
      /found location "us-central1", not one of EU, /,
    );
    const composer = declared(gcp.composer.Environment, "airflow", { region: "us-east1" });
    assert.match((await check(composer)).join(), /region "us-east1"/);
    assert.match((await check(declared(gcp.compute.Instance, "vm", { zone: "us-east1-b" }))).join(), /zone/);
    assert.match((await check(declared(gcp.bigquery.Dataset, "rfm", {}))).join(), /location "US"/);
  });

  it("pass in the allowed ones, in any case, and while unknown", async () => {
    for (const location of ["EU", "eu", "europe-west1", "EUROPE-WEST1", LATER])
      assert.deepEqual(await check(bucket(location)), []);
    assert.deepEqual(await check(declared(gcp.compute.Instance, "vm", { zone: "europe-west1-b" })), []);
  });

  it("are those of the configuration", async () => {
    const config = { allowed: ["us-central1"] };
    assert.deepEqual(await check(bucket("US-CENTRAL1"), config), []);
    assert.equal((await check(bucket("EU"), config)).length, 1);
  });
});
