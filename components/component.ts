import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Names, shorten } from "./names.ts";

/** What the parts of a stack share. */
export interface StackArgs {
  readonly names: Names;
  readonly labels: Readonly<Record<string, string>>;
  readonly project: string;
  readonly region: string;
  /** Keeps what holds data, and the services, from being deleted. */
  readonly protectData: boolean;
}

/** An IAM member: serviceAccount:…, user:…, group:…, principal:…. */
export type Member = pulumi.Input<string>;

/**
 * A part of the architecture. Its children are named after it, and their URNs begin with its type. To change a child
 * without changing the component, give `transforms` in the options:
 * pulumi.com/docs/iac/concepts/resources/options/transforms
 */
export abstract class Component<Args> extends pulumi.ComponentResource {
  protected readonly args: Args;
  /**
   * Options of every child. Names in Google Cloud are fixed, so a resource that must be replaced (for example in another
   * region) is deleted before the new one is created. Resources with data are protected if `protectData` is set.
   */
  protected readonly child: pulumi.CustomResourceOptions;
  readonly #name: string;

  constructor(type: string, name: string, args: Args, opts?: pulumi.ComponentResourceOptions) {
    super(`customer-value:components:${type}`, name, {}, opts);
    this.#name = name;
    this.args = args;
    this.child = { parent: this, deleteBeforeReplace: true };
  }

  /** A role of the stack's own. Its id is the title, with _ for -. */
  protected role(
    what: string,
    project: string,
    title: string,
    description: string,
    permissions: readonly string[],
  ): gcp.projects.IAMCustomRole {
    const short = shorten(title, 64);
    const roleId = short.replaceAll("-", "_");
    const args = { project, roleId, title: short, description, permissions: [...permissions] };
    return new gcp.projects.IAMCustomRole(this.named(what), args, this.child);
  }

  /**
   * The account by which a service of Google acts in the project. The stack creates it, so that it is there from the start.
   * Google grants no role to one that is asked for, also not the service's own: cloud.google.com/iam/docs/create-service-agents
   */
  protected agent(service: string): gcp.projects.ServiceIdentity {
    return new gcp.projects.ServiceIdentity(this.named("agent"), { service }, this.child);
  }

  /**
   * The same, with the role that Google grants when the service makes the account itself. The grant outlives the stack:
   * whatever else of the project uses the service needs it too.
   */
  protected agentWithRole(project: string, service: string, role: string): gcp.projects.ServiceIdentity {
    const agent = this.agent(service);
    const kept = { retainOnDelete: true };
    this.grant(gcp.projects.IAMMember, "agent-role", { project }, role, agent.member, kept);
    return agent;
  }

  /**
   * Grants a role to a member on one resource. All rights of the stack are granted here; components/grants.*.golden.txt
   * lists them. `what` is the grant's name in the program.
   */
  protected grant<On extends object>(
    Grant: new (
      name: string,
      args: On & { readonly role: pulumi.Input<string>; readonly member: Member },
      options: pulumi.CustomResourceOptions,
    ) => pulumi.CustomResource,
    what: string,
    on: On,
    role: pulumi.Input<string>,
    member: Member,
    options: pulumi.CustomResourceOptions = {},
  ): pulumi.CustomResource {
    return new Grant(this.named(what), { ...on, role, member }, { ...this.child, ...options });
  }

  /** The name of a child in the program. It is part of the child's URN: a changed name is another resource. */
  protected named(what: string): string {
    return `${this.#name}-${what}`;
  }
}
