import { policy } from "./rule.ts";
import { at, UNKNOWN } from "./value.ts";

/** A bucket's rights come from IAM alone, not from access lists of its objects. */
export function bucketUniformAccess() {
  const description = "Buckets have uniform access.";
  return bucketWith("bucket-uniform-access", description, "uniformBucketLevelAccess", true);
}

/** A bucket can't be made public, also not by a later grant. */
export function bucketPublicAccessPrevention() {
  const description = "Buckets enforce public-access prevention.";
  return bucketWith("bucket-public-access-prevention", description, "publicAccessPrevention", "enforced");
}

function bucketWith(name: string, description: string, property: string, wanted: string | boolean) {
  return policy({
    name,
    description,
    remedy: `Set ${property}: ${JSON.stringify(wanted)}.`,
    types: ["gcp:storage/bucket:Bucket"],
    *violations({ properties }) {
      const value = at(properties, property);
      if (value !== wanted && value !== UNKNOWN) yield `${property} ${JSON.stringify(value)}`;
    },
  });
}
