import { type Check, ok } from "./check.ts";
import * as project from "./project.ts";
import * as tools from "./tools.ts";

/** Everything that a stack's first deployment needs, in the order in which a person can fix it. */
export const CHECKS: readonly Check[] = [
  { name: "settings", after: [], blocks: true, find: async (it) => ok(`project ${it.settings.project}`) },
  { name: "gcloud", after: [], blocks: true, find: (it) => tools.version("gcloud", it.client) },
  { name: "pulumi", after: [], blocks: true, find: (it) => tools.version("pulumi", it.client) },
  { name: "docker", after: [], blocks: true, find: (it) => tools.version("docker", it.client) },
  { name: "docker engine", after: ["docker"], blocks: true, find: tools.dockerEngine },
  { name: "gh", after: ["settings"], blocks: false, find: tools.gh },
  { name: "gcloud login", after: ["gcloud"], blocks: true, find: tools.gcloudLogin },
  { name: "pulumi login", after: ["gcloud"], blocks: true, find: tools.pulumiLogin },
  { name: "project", after: ["settings", "gcloud login"], blocks: true, find: project.exists },
  { name: "billing", after: ["project"], blocks: true, find: project.billing },
  { name: "permissions", after: ["project"], blocks: true, find: project.permissions },
  { name: "APIs", after: ["billing"], blocks: false, find: project.apis },
  { name: "Composer", after: ["APIs"], blocks: true, find: project.composer },
  { name: "orders", after: ["APIs"], blocks: true, find: project.orders },
  { name: "quota", after: ["APIs"], blocks: false, find: project.quota },
];
