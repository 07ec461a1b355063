import { createHash } from "node:crypto";
import { UserError } from "../lib/user-error.ts";

/** What decides the names and labels of a stack's resources. */
export interface Identity {
  /** Name of the Pulumi project: lower-case letters, digits and hyphens, a letter first. */
  readonly app: string;
  readonly environment: string;
  readonly project: string;
}

/** The roles of each kind of resource, and how many characters the service allows in a name. */
const KINDS = {
  serviceAccounts: {
    longest: 30,
    roles: [
      "invoker",
      "push",
      "jobs",
      "candidates",
      "composer",
      "workflow",
      "scheduler",
      "deploy",
      "preview",
    ],
  },
  topics: { longest: 255, roles: ["requests", "events", "requests-dead-letter", "events-dead-letter"] },
  subscriptions: {
    longest: 255,
    roles: ["requests", "events", "failures", "requests-dead-letter", "events-dead-letter"],
  },
  schemas: { longest: 255, roles: ["requests", "events"] },
  repositories: { longest: 63, roles: ["images"] },
  services: { longest: 49, roles: ["invoker"] },
  composers: { longest: 63, roles: ["orchestrator"] },
  workflows: { longest: 63, roles: ["orchestrator"] },
  schedulerJobs: { longest: 500, roles: ["orchestrator"] },
  metrics: { longest: 100, roles: ["successes", "failures"] },
  identityPools: { longest: 32, roles: ["github"] },
  // A bucket's name must be unique on Google Cloud, so it contains the project.
  buckets: { longest: 63, roles: ["artifacts"], global: true },
} as const;

type Kinds = typeof KINDS;
export type Names = { readonly [K in keyof Kinds]: Readonly<Record<Kinds[K]["roles"][number], string>> };

/**
 * The names of a stack's resources, by kind and role: app-environment-role, shortened to what the service allows with a
 * hash of the complete name at the end. Datasets have fixed names, because people write them in queries.
 * @throws UserError when the name of a resource can't begin with the app's name
 */
export function planNames({ app, environment, project }: Identity): Names {
  if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(app) || /goog|^gcp-/.test(app))
    throw new UserError(`The Pulumi project's name, ${app}, can't be the start of the names of resources.`, {
      remedy:
        "In Pulumi.yaml, use lower-case letters, digits and hyphens, a letter first; no goog in it, and no gcp- at its start.",
    });
  const entries = Object.entries(KINDS).map(([kind, { longest, roles, ...rest }]) => {
    const prefix = "global" in rest ? `${project}-${app}` : app;
    return [
      kind,
      Object.fromEntries(roles.map((role) => [role, shorten(`${prefix}-${environment}-${role}`, longest)])),
    ];
  });
  return Object.fromEntries(entries);
}

/**
 * Labels of every resource: its app and environment. Not the commit: each commit would change all resources.
 * A value has at most 63 characters: cloud.google.com/resource-manager/docs/labels-overview#requirements
 */
export function planLabels({ app, environment }: Identity): Readonly<Record<string, string>> {
  return { app: app.slice(0, 63), environment };
}

/** The name, or its start with a hash of the complete name, so that two long names stay two. */
export function shorten(name: string, longest: number): string {
  if (name.length <= longest) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, longest - hash.length - 1)}-${hash}`;
}
