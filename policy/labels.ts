import { policy, type Resource } from "./rule.ts";
import { at, isEmpty } from "./value.ts";

const required = ["environment", "app"];

/** Resources that take labels, by the module of the provider. */
export const labeled: Readonly<Record<string, readonly string[]>> = {
  artifactregistry: ["Repository"],
  bigquery: ["Dataset", "Job", "Reservation", "Table"],
  cloudrunv2: ["Job", "Service", "WorkerPool"],
  composer: ["Environment"],
  kms: ["CryptoKey"],
  pubsub: ["Subscription", "Topic"],
  secretmanager: ["RegionalSecret", "Secret"],
  storage: ["Bucket"],
  workflows: ["Workflow"],
};

/** Resources that take `userLabels`. If they have `labels` too, these are something else. */
export const userLabeled: Readonly<Record<string, readonly string[]>> = {
  monitoring: "AlertPolicy CustomService GenericService NotificationChannel Slo UptimeCheckConfig".split(" "),
};

/** Costs, alerts and incidents are traced to an environment and an app. */
export function labels() {
  return policy({
    name: "labels",
    description: `Every resource that takes labels has the labels ${required.join(" and ")}.`,
    remedy: "Pass on the labels of the stack.",
    types: ["gcp:"],
    *violations(resource) {
      const property = labelsProperty(resource);
      for (const label of property === undefined ? [] : required)
        if (isEmpty(at(resource.properties, `${property}.${label}`))) yield `${property} without ${label}`;
    },
  });
}

/** A resource of another module needs the labels only if it has any label. */
function labelsProperty({ type, properties }: Resource): "labels" | "userLabels" | undefined {
  const [, module = "", name = ""] = /^gcp:(\w+)\/\w+:(\w+)$/.exec(type) ?? [];
  if (userLabeled[module]) return userLabeled[module].includes(name) ? "userLabels" : undefined;
  if (labeled[module]?.includes(name)) return "labels";
  return at(properties, "labels") && !Array.isArray(at(properties, "labels")) ? "labels" : undefined;
}
