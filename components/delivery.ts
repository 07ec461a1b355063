import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { deployPermissions } from "./deploy-permissions.ts";
import type { Names } from "./names.ts";
import type { StatePlan } from "./state.ts";

type Account = gcp.serviceaccount.Account;

export interface DeliveryArgs {
  readonly names: Pick<Names, "identityPools" | "serviceAccounts">;
  readonly project: string;
  /** GitHub repository, owner/name, whose workflows these are. */
  readonly repository: string;
  /** Environment of the repository whose workflows deploy this stack. */
  readonly environment: string;
  readonly state: StatePlan;
  readonly accounts: {
    /** Deploys what was merged. */
    readonly deploy: Account;
    /** Previews pull requests. */
    readonly preview: Account;
    /** Whom the deployed services run as: who deploys them must be allowed to say so. */
    readonly runtime: Readonly<Record<string, Account>>;
  };
  /** Roles that the stack grants on the project: a deployment may grant these and no others. At most 10. */
  readonly projectRoles: pulumi.Input<string>[];
  /** Changes the arguments of the identity provider before it is made. */
  readonly transform?: (
    args: gcp.iam.WorkloadIdentityPoolProviderArgs,
  ) => gcp.iam.WorkloadIdentityPoolProviderArgs;
}

const ISSUER = "https://token.actions.githubusercontent.com";

/**
 * Lets GitHub's workflows deploy and preview without a key, by Workload Identity Federation. A pull request can preview,
 * which reads the stack's state and nothing of the project; only the workflow of the stack's environment can deploy.
 */
export class Delivery extends pulumi.ComponentResource {
  readonly pool: gcp.iam.WorkloadIdentityPool;
  readonly provider: gcp.iam.WorkloadIdentityPoolProvider;

  readonly #name: string;
  readonly #args: DeliveryArgs;
  readonly #child: pulumi.CustomResourceOptions;

  constructor(name: string, args: DeliveryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("customer-value:components:Delivery", name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#child = { parent: this };

    this.pool = this.#pool();
    this.provider = this.#provider();
    this.#allowWorkflow("deploy", `environment:${args.environment}`);
    this.#allowWorkflow("preview", "pull_request");
    this.#allowState("deploy", "objectUser", "cryptoKeyEncrypterDecrypter");
    // A preview takes no lock and keeps nothing.
    this.#allowState("preview", "objectViewer", "cryptoKeyDecrypter");
    this.#allowResources();
    this.#allowProjectGrants();
    this.#allowRuntime();

    this.registerOutputs({ provider: this.provider.name });
  }

  #pool(): gcp.iam.WorkloadIdentityPool {
    const { names, project, repository } = this.#args;
    return new gcp.iam.WorkloadIdentityPool(
      `${this.#name}-github`,
      {
        project,
        workloadIdentityPoolId: names.identityPools.github,
        description: `Workflows of ${repository}.`,
      },
      this.#child,
    );
  }

  #provider(): gcp.iam.WorkloadIdentityPoolProvider {
    const { project, repository, transform } = this.#args;
    const args: gcp.iam.WorkloadIdentityPoolProviderArgs = {
      project,
      workloadIdentityPoolId: this.pool.workloadIdentityPoolId,
      workloadIdentityPoolProviderId: "github",
      oidc: { issuerUri: ISSUER },
      attributeMapping: { "google.subject": "assertion.sub" },
      attributeCondition: `assertion.repository == ${JSON.stringify(repository)}`,
    };
    return new gcp.iam.WorkloadIdentityPoolProvider(
      `${this.#name}-github`,
      transform?.(args) ?? args,
      this.#child,
    );
  }

  /** docs.github.com/actions/reference/openid-connect-reference: the subject says where a workflow runs. */
  #allowWorkflow(who: "deploy" | "preview", where: string): void {
    const { repository, accounts } = this.#args;
    new gcp.serviceaccount.IAMMember(
      `${this.#name}-${who}-workflow`,
      {
        serviceAccountId: accounts[who].name,
        role: "roles/iam.workloadIdentityUser",
        member: pulumi.interpolate`principal://iam.googleapis.com/${this.pool.name}/subject/repo:${repository}:${where}`,
      },
      this.#child,
    );
  }

  #allowState(
    who: "deploy" | "preview",
    objects: "objectUser" | "objectViewer",
    key: "cryptoKeyEncrypterDecrypter" | "cryptoKeyDecrypter",
  ): void {
    const { state, accounts } = this.#args;
    const { member } = accounts[who];
    new gcp.storage.BucketIAMMember(
      `${this.#name}-state-${who}`,
      { bucket: state.bucket, role: `roles/storage.${objects}`, member },
      this.#child,
    );
    new gcp.kms.CryptoKeyIAMMember(
      `${this.#name}-state-key-${who}`,
      { cryptoKeyId: state.keyId, role: `roles/cloudkms.${key}`, member },
      this.#child,
    );
  }

  #allowResources(): void {
    const role = this.#customRole("deploy", "Makes, changes and deletes what the stack is made of.", [
      ...deployPermissions(),
      "resourcemanager.projects.get",
    ]);
    this.#allowOnProject("resources", role, undefined);
  }

  /**
   * Whoever may set a project's policy may make anybody its owner, but for this condition:
   * cloud.google.com/iam/docs/setting-limits-on-granting-roles
   */
  #allowProjectGrants(): void {
    const role = this.#customRole("grants", "Grants roles on the project.", [
      "resourcemanager.projects.getIamPolicy",
      "resourcemanager.projects.setIamPolicy",
    ]);
    const expression = pulumi
      .all(this.#args.projectRoles)
      .apply(
        (roles) =>
          `api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly(${JSON.stringify(roles)})`,
      );
    this.#allowOnProject("grants", role, { title: "only the stack's roles", expression });
  }

  #allowRuntime(): void {
    const { deploy, runtime } = this.#args.accounts;
    for (const [who, { name }] of Object.entries(runtime))
      new gcp.serviceaccount.IAMMember(
        `${this.#name}-user-of-${who}`,
        { serviceAccountId: name, role: "roles/iam.serviceAccountUser", member: deploy.member },
        this.#child,
      );
  }

  #customRole(
    what: "deploy" | "grants",
    description: string,
    permissions: string[],
  ): gcp.projects.IAMCustomRole {
    const { names, project } = this.#args;
    const title = `${names.serviceAccounts.deploy}-${what}`;
    return new gcp.projects.IAMCustomRole(
      `${this.#name}-${what}`,
      { project, roleId: title.replaceAll("-", "_"), title, description, permissions },
      this.#child,
    );
  }

  #allowOnProject(
    what: string,
    role: gcp.projects.IAMCustomRole,
    condition: gcp.projects.IAMMemberArgs["condition"],
  ): void {
    const { project, accounts } = this.#args;
    const { member } = accounts.deploy;
    new gcp.projects.IAMMember(
      `${this.#name}-deploy-${what}`,
      { project, role: role.name, member, ...(condition === undefined ? {} : { condition }) },
      this.#child,
    );
  }
}
