import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Names } from "./names.ts";

export type Role = keyof Names["serviceAccounts"];

export interface IdentitiesArgs<R extends Role> {
  readonly names: Pick<Names, "serviceAccounts">;
  /** Those that the stack needs. */
  readonly roles: readonly R[];
  /** Changes the arguments of a service account before it is made. */
  readonly transform?: (args: gcp.serviceaccount.AccountArgs, role: Role) => gcp.serviceaccount.AccountArgs;
}

/** Whom each service account speaks for. */
const ACCOUNTS: Readonly<Record<Role, string>> = {
  invoker: "The invoker: starts pipelines and asks how they are.",
  push: "Pub/Sub, when it pushes run requests to the invoker.",
  jobs: "The jobs of a run: read orders, write tables and artifacts, tell how the run ended.",
  composer: "Airflow: requests runs, hears of their end, checks the tables.",
  deploy: "The workflow that deploys what was merged.",
  preview: "The workflow that previews a pull request: reads the stack's state, and nothing of the project.",
};

/** A service account for each entity. Rights are granted by the component that owns what they are on. */
export class Identities<R extends Role> extends pulumi.ComponentResource {
  readonly accounts: Readonly<Record<R, gcp.serviceaccount.Account>>;

  constructor(name: string, args: IdentitiesArgs<R>, opts?: pulumi.ComponentResourceOptions) {
    super("customer-value:components:Identities", name, {}, opts);
    const account = (role: R): gcp.serviceaccount.Account => {
      const accountArgs = {
        accountId: args.names.serviceAccounts[role],
        displayName: args.names.serviceAccounts[role],
        description: ACCOUNTS[role],
      };
      const transformed = args.transform?.(accountArgs, role) ?? accountArgs;
      return new gcp.serviceaccount.Account(`${name}-${role}`, transformed, { parent: this });
    };
    this.accounts = Object.fromEntries(args.roles.map((role) => [role, account(role)])) as Record<
      R,
      gcp.serviceaccount.Account
    >;
    this.registerOutputs({});
  }
}
