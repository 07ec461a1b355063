import assert from "node:assert/strict";
import * as docker from "@pulumi/docker";
import * as gcp from "@pulumi/gcp";
import { LAUNCHER } from "../jobs/custom-job.ts";
import { type Declared, declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { imagesByDigest, noLatestTags } from "./images.ts";

const repository = "europe-west1-docker.pkg.dev/my-project/cvp";
const digest = `@sha256:${"0123456789abcdef".repeat(4)}`;
const service = (image: string) =>
  declared(gcp.cloudrunv2.Service, "invoker", { template: { containers: [{ image }] } });
const pipeline = (image: string) =>
  declared(gcp.storage.BucketObject, "pipeline", {
    content: JSON.stringify({ fit: { container: { image } } }),
  });
const variable = (value: string) =>
  declared(gcp.composer.Environment, "airflow", {
    config: {
      softwareConfig: { imageVersion: "composer-3-airflow-2.10.5-build.10", envVariables: { JOB: value } },
    },
  });

describe("images", () => {
  it("must be given by digest, wherever they stand", async () => {
    const check = async (resource: Declared) => (await evaluate([imagesByDigest()], resource)).join();
    assert.match(await check(service("node:24")), /found template.containers.0.image "node:24"\./);
    assert.match(await check(service("")), /found template.containers.0.image ""/);
    for (const wrong of ["@sha256:abc", `${digest}0`])
      assert.match(await check(service(`${repository}/invoker${wrong}`)), RegExp(`${wrong}"`));
    assert.match(
      await check(pipeline(`${repository}/clv:v1`)),
      /found content.fit.container.image "\S+clv:v1"/,
    );
    assert.match(
      await check(variable(`run ${repository}/clv:v1 now`)),
      /envVariables.JOB "\S+\/cvp\/clv:v1"/,
    );
    for (const image of ["eu.gcr.io/my-project/clv", "gcr.io/my-project/clv"])
      assert.match(await check(variable(`run ${image}`)), new RegExp(`JOB "${image}"`));
    for (const name of ["image", "imageUri", "imageUrl", "containerImage"]) {
      const resource = { type: "gcp:new/job:Job", name: "job", inputs: { [name]: "node:24" } };
      assert.match(await check(resource), new RegExp(`found ${name} "node:24"`));
    }
    const launcher = LAUNCHER.split(":")[0];
    for (const tag of ["", ":latest", ":2", ":2.22.0-other"])
      assert.match(await check(pipeline(`${launcher}${tag}`)), /google-cloud-pipeline-components/, tag);
  });

  it("pass by tag where an exception says why", async () => {
    assert.deepEqual(await evaluate([imagesByDigest()], pipeline(LAUNCHER)), []);
    assert.match((await evaluate([imagesByDigest([])], pipeline(LAUNCHER))).join(), /2\.22\.0/);
  });

  it("pass with a digest, and while they are built", async () => {
    const image = `${repository}/invoker${digest}`;
    for (const resource of [
      service(image),
      pipeline(image),
      variable(image),
      service(LATER),
      variable(LATER),
    ])
      assert.deepEqual(await evaluate([imagesByDigest()], resource), []);
    for (const text of [`${repository} is the repository`, "gcr.io/my-project is the registry"])
      assert.deepEqual(await evaluate([imagesByDigest()], variable(text)), []);
    const disk = { type: "gcp:new/disk:Disk", name: "disk", inputs: { sourceImage: "debian-13" } };
    assert.deepEqual(await evaluate([imagesByDigest()], disk), []);
  });

  it("are looked for in long texts in no time", async () => {
    assert.deepEqual(await evaluate([imagesByDigest()], variable("a".repeat(1e6))), []);
  }).timeout(1000);

  it("must not be called latest", async () => {
    const check = async (resource: Declared) => (await evaluate([noLatestTags()], resource)).join();
    const built = (imageName: string) => declared(docker.Image, "invoker", { imageName });
    assert.match(
      await check(built(`${repository}/invoker`)),
      /found imageName "\S+invoker", which means latest/,
    );
    assert.match(await check(built("localhost:5000/invoker")), /which means latest/);
    assert.match(await check(built(`${repository}/invoker:latest`)), /found imageName "\S+:latest"/);
    assert.match(await check(service(`node:latest${digest}`)), /found template.containers.0.image/);
    const composer = { config: { softwareConfig: { imageVersion: "composer-latest" } } };
    assert.match(await check(declared(gcp.composer.Environment, "airflow", composer)), /imageVersion/);
  });

  it("pass with a tag that says which", async () => {
    for (const imageName of [`${repository}/invoker:0a1b2c`, `localhost:5000/invoker:0a1b2c`, LATER])
      assert.deepEqual(
        await evaluate([noLatestTags()], declared(docker.Image, "invoker", { imageName })),
        [],
      );
    assert.deepEqual(await evaluate([noLatestTags()], variable("the latest")), []);
    const disk = { type: "gcp:new/disk:Disk", name: "disk", inputs: { imageName: "debian" } };
    assert.deepEqual(await evaluate([noLatestTags()], disk), []);
  });
});
