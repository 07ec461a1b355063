import assert from "node:assert/strict";
import * as gcp from "@pulumi/gcp";
import { declared, evaluate, LATER } from "../test/evaluate-policies.ts";
import { bucketPublicAccessPrevention, bucketUniformAccess } from "./buckets.ts";

describe("buckets", () => {
  it("must have uniform access", async () => {
    const bucket = (uniformBucketLevelAccess: boolean) =>
      evaluate(
        [bucketUniformAccess()],
        declared(gcp.storage.Bucket, "artifacts", { uniformBucketLevelAccess }),
      );
    assert.deepEqual(await bucket(true), []);
    assert.deepEqual(await bucket(false), [
      'gcp:storage/bucket:Bucket "artifacts": found uniformBucketLevelAccess false. ' +
        "Allowed: Buckets have uniform access. Set uniformBucketLevelAccess: true.",
    ]);
  });

  it("must enforce public-access prevention", async () => {
    const bucket = (args: gcp.storage.BucketArgs) =>
      evaluate([bucketPublicAccessPrevention()], declared(gcp.storage.Bucket, "artifacts", args));
    const location = "EU";
    assert.deepEqual(await bucket({ location, publicAccessPrevention: "enforced" }), []);
    assert.deepEqual(await bucket({ location, publicAccessPrevention: LATER }), []);
    assert.match((await bucket({ location })).join(), /found publicAccessPrevention undefined.*"enforced"/);
    assert.match(
      (await bucket({ location, publicAccessPrevention: "inherited" })).join(),
      /found .* "inherited"/,
    );
  });
});
