import { bucketPublicAccessPrevention, bucketUniformAccess } from "./buckets.ts";
import { deletionProtection, type Environment } from "./deletion.ts";
import {
  authenticatedCallersOnly,
  noPublicAccess,
  noServiceAccountKeys,
  ownServiceAccount,
} from "./identities.ts";
import { imagesByDigest, noLatestTags } from "./images.ts";
import { labels } from "./labels.ts";
import { regions } from "./regions.ts";
import { leastPrivilege } from "./roles.ts";
import { pushWithToken, subscriptionDeadLetter, subscriptionNeverExpires } from "./subscriptions.ts";
import { boundedScans } from "./tables.ts";

/** Every policy of the pack, for a stack of this environment. */
export function policies(environment: Environment) {
  return [
    noServiceAccountKeys(),
    leastPrivilege(),
    noPublicAccess(),
    authenticatedCallersOnly(),
    ownServiceAccount(),
    imagesByDigest(),
    noLatestTags(),
    bucketUniformAccess(),
    bucketPublicAccessPrevention(),
    subscriptionDeadLetter(),
    subscriptionNeverExpires(),
    pushWithToken(),
    boundedScans(),
    deletionProtection(environment),
    labels(),
    regions(),
  ];
}
