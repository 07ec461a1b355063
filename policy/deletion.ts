import { policy } from "./rule.ts";
import { at } from "./value.ts";

export type Environment = "dev" | "prod";

/** The values that let a deployment delete what a resource holds; unset, the provider protects it. */
const unprotected = { deletionProtection: false, deleteContentsOnDestroy: true, forceDestroy: true };

/** Holds no data: another Orchestrator may take its place. */
const WORKFLOW = "gcp:workflows/workflow:Workflow";

/** In prod, tables and services are protected, and datasets and buckets are not deleted with their contents. */
export function deletionProtection(environment: Environment) {
  return policy({
    name: "deletion-protection",
    description: "In prod, deletion protection is on and nothing is deleted with its contents.",
    remedy: "Leave the property out, or set its opposite.",
    types: ["gcp:"],
    *violations({ type, properties }) {
      if (environment !== "prod" || type === WORKFLOW) return;
      for (const [property, value] of Object.entries(unprotected))
        if (at(properties, property) === value) yield `${property} ${value} in prod`;
    },
  });
}
