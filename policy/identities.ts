import { policy } from "./rule.ts";
import { at, texts } from "./value.ts";

/** A key works from anywhere, also after the person who made it has left. */
export function noServiceAccountKeys() {
  return policy({
    name: "no-service-account-keys",
    description: "Service accounts have no keys.",
    remedy: "Use an attached service account, impersonation or Workload Identity Federation.",
    types: ["gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey"],
    *violations() {
      yield "a key of a service account";
    },
  });
}

/** Nothing is granted to everybody, in IAM or in an access list. */
export function noPublicAccess() {
  return policy({
    name: "no-public-access",
    description: "Rights are granted to users, groups and service accounts by name.",
    remedy: "Grant them to a group or a service account.",
    types: ["gcp:"],
    *violations({ properties }) {
      const everybody = /^(.*:)?all(Authenticated)?Users$|^(publicRead(Write)?|authenticatedRead)$/i;
      for (const { path, text } of texts(properties)) if (everybody.test(text)) yield `${path} "${text}"`;
    },
  });
}

/** A service asks IAM who may call it. */
export function authenticatedCallersOnly() {
  return policy({
    name: "authenticated-callers-only",
    description: "Cloud Run checks its callers.",
    remedy: "Leave invokerIamDisabled out.",
    types: ["gcp:cloudrunv2/service:Service"],
    *violations({ properties }) {
      if (at(properties, "invokerIamDisabled") === true) yield "invokerIamDisabled true";
    },
  });
}

/** Where each kind of resource that runs code names its account. */
const runsAs: Readonly<Record<string, string>> = {
  "gcp:cloudfunctionsv2/function:Function": "serviceConfig.serviceAccountEmail",
  "gcp:cloudrun/service:Service": "template.spec.serviceAccountName",
  "gcp:cloudrunv2/job:Job": "template.template.serviceAccount",
  "gcp:cloudrunv2/service:Service": "template.serviceAccount",
  "gcp:composer/environment:Environment": "config.nodeConfig.serviceAccount",
  "gcp:workflows/workflow:Workflow": "serviceAccount",
};

/** Code runs as its own service account. The default ones of Compute and App Engine have too many rights. */
export function ownServiceAccount() {
  return policy({
    name: "own-service-account",
    description: "What runs code has its own service account, never a default one.",
    remedy: "Create a gcp.serviceaccount.Account with the rights it needs, and name it there.",
    types: Object.keys(runsAs),
    *violations({ type, properties }) {
      const path = runsAs[type] ?? "";
      const account = at(properties, path) || "nothing, which means the default";
      const isDefault = /the default$|(-compute@developer|@appspot)\.gserviceaccount\.com$/;
      if (isDefault.test(String(account))) yield `${path} ${String(account)}`;
    },
  });
}
