import * as pulumi from "@pulumi/pulumi";

/** A part of the architecture. Its children are named after it, and their URNs begin with its type. */
export abstract class Component<Args> extends pulumi.ComponentResource {
  protected readonly args: Args;
  /**
   * Options of every child. Names in Google Cloud are fixed, so a resource that must be replaced (a changed region) is
   * deleted before its successor is created; what holds data is protected where `protectData` is set.
   */
  protected readonly child: pulumi.CustomResourceOptions;
  readonly #name: string;

  constructor(type: string, name: string, args: Args, opts?: pulumi.ComponentResourceOptions) {
    super(`customer-value:components:${type}`, name, {}, opts);
    this.#name = name;
    this.args = args;
    this.child = { parent: this, deleteBeforeReplace: true };
  }

  /** The name of a child in the program. It is part of the child's URN: a changed name is another resource. */
  protected named(what: string): string {
    return `${this.#name}-${what}`;
  }
}
