import { REGIONS } from "../components/settings.ts";
import { policy } from "./rule.ts";
import { at } from "./value.ts";

/** Where a resource is created that names no location. */
const defaults: Readonly<Record<string, string>> = { "gcp:bigquery/dataset:Dataset": "US" };
/** What the settings of a stack allow; a company that allows less says so in the configuration of the policy. */
const settable = ["EU", "US", ...REGIONS];

/** Data and computing stay in the allowed regions and multi-regions; a zone counts as its region. */
export function regions() {
  return policy<{ allowed: readonly string[] }>({
    name: "regions",
    description: "Resources are in the allowed regions.",
    remedy: "Move it, or allow the region in the configuration of this policy (pulumi --policy-pack-config).",
    types: ["gcp:"],
    configSchema: {
      properties: { allowed: { type: "array", items: { type: "string" }, default: settable } },
    },
    *violations({ type, properties }, config) {
      const allowed = config.allowed.map((region) => region.toLowerCase());
      for (const property of ["location", "region", "zone"]) {
        const place = at(properties, property) ?? (property === "location" ? defaults[type] : undefined);
        if (typeof place !== "string") continue;
        const region = place.toLowerCase().replace(/(?<=\d)-[a-z]$/, "");
        if (!allowed.includes(region))
          yield `${property} "${place}", not one of ${config.allowed.join(", ")}`;
      }
    },
  });
}
