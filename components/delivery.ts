import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { Component, type StackArgs } from "./component.ts";
import { workflowPermissions } from "./deploy-permissions.ts";
import type { StatePlan } from "./state.ts";

type Account = gcp.serviceaccount.Account;

export interface DeliveryArgs extends StackArgs {
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
 * Allows GitHub's workflows to deploy and preview without a key, by Workload Identity Federation. A pull request can preview,
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
    const { project, repository } = this.args;
    const args: gcp.iam.WorkloadIdentityPoolProviderArgs = {
      project,
      workloadIdentityPoolId: this.pool.workloadIdentityPoolId,
      workloadIdentityPoolProviderId: "github",
      oidc: { issuerUri: ISSUER },
      attributeMapping: { "google.subject": SUBJECT },
      attributeCondition: `assertion.repository_id == ${JSON.stringify(repository.id)}`,
    };
    return new gcp.iam.WorkloadIdentityPoolProvider(this.named("github"), args, this.child);
  }

  #allowWorkflow(who: "deploy" | "preview", where: string): void {
    const { repository, accounts } = this.args;
    const member = pulumi.interpolate`principal://iam.googleapis.com/${this.pool.name}/subject/${repository.id}:${where}`;
    const account = { serviceAccountId: accounts[who].name };
    const role = "roles/iam.workloadIdentityUser";
    this.grant(gcp.serviceaccount.IAMMember, `${who}-workflow`, account, role, member);
  }

  #allowState(
    who: "deploy" | "preview",
    objects: "objectUser" | "objectViewer",
    key: "cryptoKeyEncrypterDecrypter" | "cryptoKeyDecrypter",
  ): void {
    const { state, accounts } = this.args;
    const { bucket, keyId: cryptoKeyId } = state;
    const { member } = accounts[who];
    this.grant(gcp.storage.BucketIAMMember, `state-${who}`, { bucket }, `roles/storage.${objects}`, member);
    this.grant(
      gcp.kms.CryptoKeyIAMMember,
      `state-key-${who}`,
      { cryptoKeyId },
      `roles/cloudkms.${key}`,
      member,
    );
  }

  #allowResources(): void {
    const { names, project, accounts } = this.args;
    const title = `${names.serviceAccounts.deploy}-deploy`;
    const description =
      "Creates, changes and deletes the resources of the stack; reads rights, and grants none on the project.";
    const role = this.role("deploy", project, title, description, workflowPermissions());
    const { member } = accounts.deploy;
    this.grant(gcp.projects.IAMMember, "deploy-resources", { project }, role.name, member);
  }

  #allowRuntime(): void {
    const { deploy, runtime } = this.args.accounts;
    const role = "roles/iam.serviceAccountUser";
    for (const [who, { name: serviceAccountId }] of Object.entries(runtime))
      this.grant(gcp.serviceaccount.IAMMember, `user-of-${who}`, { serviceAccountId }, role, deploy.member);
  }
}
