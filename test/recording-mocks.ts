/** Test support: components are created against mocks that record every resource; nothing is called. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";

/** A resource as its provider would be asked for it. */
export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Whether Pulumi refuses to delete it. */
  readonly isProtected: boolean;
  /** Types from the outermost parent to the resource itself. */
  readonly path: readonly string[];
}

/** The part of Pulumi's own request that the mocks do not show. */
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getProtect(): boolean;
}

export interface Recording<T> {
  readonly result: T;
  /** All resources and components, by type and name. */
  readonly resources: readonly RecordedResource[];
  /** The resources of a type. */
  ofType(type: string): readonly RecordedResource[];
  /** The one resource of this type and name; fails when there is none. */
  get(type: string, name: string): RecordedResource;
}

/**
 * Creates resources and waits until all of them are registered. What only a provider knows is made up: the id is
 * «name-id», or what `outputs` tells for the resource. A call of a function (a data source) fails.
 */
export async function record<T>(
  create: () => T,
  outputs: (resource: pulumi.runtime.MockResourceArgs) => Record<string, unknown> = () => ({}),
  { project = "customer-value", stack = "dev", preview = false } = {},
): Promise<Recording<T>> {
  const inputsOf = new Map<string, Readonly<Record<string, unknown>>>();
  const failures: string[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        const key = `${args.type}::${args.name}`;
        if (inputsOf.has(key)) failures.push(`Two resources are ${key}`);
        inputsOf.set(key, withoutSecrecy(args.inputs));
        return { id: `${args.name}-id`, state: { ...args.inputs, ...outputs(args) } };
      },
      call: ({ token }) => {
        failures.push(`${token} is not implemented: nothing may be looked up while previewing`);
        throw new Error(failures.at(-1));
      },
    },
    project,
    stack,
    preview,
  );
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    resources: ReadonlyMap<string, unknown>;
    registerResource(request: RegisterRequest, callback: unknown): unknown;
  };
  const guarded = new Set<string>();
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    if (request.getProtect()) guarded.add(`${request.getType()}::${request.getName()}`);
    return register(request, callback);
  };
  const result = create();
  await result;
  await pulumi.runtime.disconnect();
  assert.deepEqual(failures, []);

  const resources = [...monitor.resources.keys()]
    .map((urn) => {
      const [, , path = "", name = ""] = urn.split("::");
      const types = path.split("$");
      const type = types.at(-1)!;
      const key = `${type}::${name}`;
      return { type, name, inputs: inputsOf.get(key)!, isProtected: guarded.has(key), path: types };
    })
    .sort((a, b) => compare(a.type, b.type) || compare(a.name, b.name));
  return {
    result,
    resources,
    ofType: (type) => resources.filter((resource) => resource.type === type),
    get: (type, name) => {
      const found = resources.find((resource) => resource.type === type && resource.name === name);
      assert.ok(
        found,
        `There is no ${type} ${name}, only ${resources.map((each) => `${each.type} ${each.name}`)}`,
      );
      return found;
    },
  };
}

/** The value of an output. Await it: an assertion inside of apply can't fail a test (pulumi/pulumi#6666). */
export const unwrap = <T>(output: pulumi.Input<T>): Promise<pulumi.Unwrap<T>> =>
  new Promise((resolve) => {
    pulumi.output(output).apply((value) => resolve(value as pulumi.Unwrap<T>));
  });

/** Providers mark some inputs as secret; a test wants to see them. */
const withoutSecrecy = (inputs: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, pulumi.runtime.unwrapRpcSecret(value)]),
  );

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
