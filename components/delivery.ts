import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { Component } from "./component.ts";
import { workflowPermissions } from "./deploy-permissions.ts";
import { allowOnAccount, allowOnBucket, allowOnKey, allowOnProject } from "./grants.ts";
import type { Names } from "./names.ts";
import type { StatePlan } from "./state.ts";

type Account = gcp.serviceaccount.Account;

export interface DeliveryArgs {
  readonly names: Pick<Names, "identityPools" | "serviceAccounts">;
  readonly project: string;
  /** GitHub repository whose workflows these are. */
  readonly repository: {
    /** For people. @example "example/customer-value" */
    readonly name: string;
    /** What identifies it, also after a rename or a transfer. @example "123456789" */
    readonly id: string;
  };
  /** Environment of the repository whose workflows deploy this stack. */
  readonly environment: string;
  readonly state: StatePlan;
  readonly accounts: {
    /** Deploys what was merged. */
    readonly deploy: Account;
    /** Previews pull requests. */
    readonly preview: Account;
    /** Runtime service accounts. The deploying account needs serviceAccountUser on each. */
    readonly runtime: Readonly<Record<string, Account>>;
  };
  /** Changes the arguments of the identity provider before it is made. */
  readonly transform?: (
    args: gcp.iam.WorkloadIdentityPoolProviderArgs,
  ) => gcp.iam.WorkloadIdentityPoolProviderArgs;
}

const ISSUER = "https://token.actions.githubusercontent.com";

/**
 * The subject of a workflow's token, in CEL: the repository's id, which no other repository ever gets, and where the
 * workflow runs. GitHub's own subject has two forms, and may be longer than the 127 bytes that Google allows.
 * docs.github.com/actions/reference/openid-connect-reference
 */
const SUBJECT =
  "assertion.repository_id + ':' + (has(assertion.environment) ? 'environment:' + assertion.environment : assertion.event_name)";

/**
 * Lets GitHub's workflows deploy and preview without a key, by Workload Identity Federation. A pull request can preview,
 * which reads the stack's state and nothing of the project. Only the workflow of the stack's environment can deploy, and
 * it can't change custom roles, service accounts or rights on the project: a person deploys such a change.
 */
export class Delivery extends Component<DeliveryArgs> {
  readonly pool: gcp.iam.WorkloadIdentityPool;
  readonly provider: gcp.iam.WorkloadIdentityPoolProvider;

  constructor(name: string, args: DeliveryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Delivery", name, args, opts);

    this.pool = this.#pool();
    this.provider = this.#provider();
    this.#allowWorkflow("deploy", `environment:${args.environment}`);
    this.#allowWorkflow("preview", "pull_request");
    this.#allowState("deploy", "objectUser", "cryptoKeyEncrypterDecrypter");
    // A preview takes no lock and keeps nothing.
    this.#allowState("preview", "objectViewer", "cryptoKeyDecrypter");
    this.#allowResources();
    this.#allowRuntime();

    this.registerOutputs({ provider: this.provider.name });
  }

  #pool(): gcp.iam.WorkloadIdentityPool {
    const { names, project, repository } = this.args;
    return new gcp.iam.WorkloadIdentityPool(
      this.named("github"),
      {
        project,
        workloadIdentityPoolId: names.identityPools.github,
        description: `Workflows of ${repository.name}.`,
      },
      this.child,
    );
  }

  #provider(): gcp.iam.WorkloadIdentityPoolProvider {
    const { project, repository, transform } = this.args;
    const args: gcp.iam.WorkloadIdentityPoolProviderArgs = {
      project,
      workloadIdentityPoolId: this.pool.workloadIdentityPoolId,
      workloadIdentityPoolProviderId: "github",
      oidc: { issuerUri: ISSUER },
      attributeMapping: { "google.subject": SUBJECT },
      attributeCondition: `assertion.repository_id == ${JSON.stringify(repository.id)}`,
    };
    return new gcp.iam.WorkloadIdentityPoolProvider(
      this.named("github"),
      transform?.(args) ?? args,
      this.child,
    );
  }

  #allowWorkflow(who: "deploy" | "preview", where: string): void {
    const { repository, accounts } = this.args;
    const member = pulumi.interpolate`principal://iam.googleapis.com/${this.pool.name}/subject/${repository.id}:${where}`;
    const role = "roles/iam.workloadIdentityUser";
    allowOnAccount(this.named(`${who}-workflow`), accounts[who], role, member, this.child);
  }

  #allowState(
    who: "deploy" | "preview",
    objects: "objectUser" | "objectViewer",
    key: "cryptoKeyEncrypterDecrypter" | "cryptoKeyDecrypter",
  ): void {
    const { state, accounts } = this.args;
    const { member } = accounts[who];
    allowOnBucket(this.named(`state-${who}`), state.bucket, `roles/storage.${objects}`, member, this.child);
    allowOnKey(this.named(`state-key-${who}`), state.keyId, `roles/cloudkms.${key}`, member, this.child);
  }

  #allowResources(): void {
    const { names, project, accounts } = this.args;
    const title = `${names.serviceAccounts.deploy}-deploy`;
    const role = new gcp.projects.IAMCustomRole(
      this.named("deploy"),
      {
        project,
        roleId: title.replaceAll("-", "_"),
        title,
        description:
          "Creates, changes and deletes the resources of the stack; reads rights, and grants none on the project.",
        permissions: workflowPermissions(),
      },
      this.child,
    );
    allowOnProject(this.named("deploy-resources"), project, role.name, accounts.deploy.member, this.child);
  }

  #allowRuntime(): void {
    const { deploy, runtime } = this.args.accounts;
    const role = "roles/iam.serviceAccountUser";
    for (const [who, account] of Object.entries(runtime))
      allowOnAccount(this.named(`user-of-${who}`), account, role, deploy.member, this.child);
  }
}
