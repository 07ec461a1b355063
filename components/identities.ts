import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { Component } from "./component.ts";
import type { Names } from "./names.ts";

export type Role = keyof Names["serviceAccounts"];

export interface IdentitiesArgs {
  readonly names: Pick<Names, "serviceAccounts">;
  /** Accounts beside those that every stack has. @default none */
  readonly optional: readonly OptionalRole[];
}

type OptionalRole = "candidates" | "composer" | "workflow" | "scheduler" | "deploy" | "preview";
type Account = gcp.serviceaccount.Account;
export type Accounts = Readonly<Record<Exclude<Role, OptionalRole>, Account>> &
  Readonly<Partial<Record<OptionalRole, Account>>>;

/** What each service account is for. */
const DESCRIPTIONS: Readonly<Record<Role, string>> = {
  invoker: "The invoker: starts pipelines and reads their state.",
  push: "Pub/Sub, when it pushes to the invoker.",
  jobs: "The jobs of a run: read orders, write tables and artifacts, publish the final event.",
  candidates: "The models that compete with the built-in one: read examples, write models and predictions.",
  composer: "Airflow: requests runs, waits for their final event, checks the tables.",
  workflow: "The workflow of Workflows: requests runs, waits for their final event, checks the tables.",
  scheduler: "Cloud Scheduler: starts the workflow of Workflows.",
  deploy: "The workflow that deploys what was merged.",
  preview: "The workflow that previews a pull request: reads the stack's state, and nothing of the project.",
};

/** A service account for each entity. Rights are granted by the component that owns what they are on. */
export class Identities extends Component<IdentitiesArgs> {
  readonly accounts: Accounts;

  constructor(name: string, args: IdentitiesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Identities", name, args, opts);
    this.accounts = {
      invoker: this.#account("invoker"),
      push: this.#account("push"),
      jobs: this.#account("jobs"),
      ...Object.fromEntries(args.optional.map((role) => [role, this.#account(role)])),
    };
    this.registerOutputs({});
  }

  #account(role: Role): Account {
    const { names } = this.args;
    const args: gcp.serviceaccount.AccountArgs = {
      accountId: names.serviceAccounts[role],
      displayName: names.serviceAccounts[role],
      description: DESCRIPTIONS[role],
    };
    return new gcp.serviceaccount.Account(this.named(role), args, this.child);
  }
}
