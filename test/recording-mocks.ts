/** Test support: components are created against mocks that record every resource. Nothing is called. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Alias } from "@pulumi/pulumi/proto/alias_pb.js";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";

/** A resource with the inputs that its provider gets. */
export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Types from the outermost parent to the resource. */
  readonly path: readonly string[];
  /** Whether Pulumi refuses to delete it. */
  readonly isProtected: boolean;
  /** Whether it stays in Google Cloud when Pulumi deletes it. */
  readonly isKept: boolean;
  /** What it is created after, by name. */
  readonly after: readonly string[];
  /** What it is replaced with, by name. */
  readonly replacedWith: readonly string[];
  /** The inputs whose changes Pulumi does not look at. */
  readonly ignored: readonly string[];
  /** Whether it is deleted before another one is created in its place. */
  readonly isDeletedFirst: boolean;
  /** URNs without stack and project ("types::name") under which the state may know the resource: its own, then its aliases. */
  readonly urns: readonly string[];
}

export interface Recording<T> {
  readonly result: T;
  /** All resources and components, sorted by type and name. */
  readonly resources: readonly RecordedResource[];
  /** The resources of a type. */
  ofType(type: string): readonly RecordedResource[];
  /** The resource of this type and name. @throws AssertionError when there is none. */
  get(type: string, name: string): RecordedResource;
}

/** The part of Pulumi's mock monitor that is used here. */
interface Monitor {
  readonly resources: ReadonlyMap<string, unknown>;
  registerResource(request: RegisterResourceRequest, callback: unknown): Promise<void>;
}

/**
 * Creates resources and waits until all of them are registered. `outputs` gives the properties that only the provider
 * knows; the id is "NAME-id". Calls of functions (data sources) fail.
 */
export async function record<T>(
  create: () => T,
  outputs: (resource: pulumi.runtime.MockResourceArgs) => Record<string, unknown> = () => ({}),
  { project = "customer-value", stack = "dev", preview = false } = {},
): Promise<Recording<T>> {
  const inputsOf = new Map<string, Readonly<Record<string, unknown>>>();
  const requests = new Map<string, RegisterResourceRequest>();
  const failures: string[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        const key = `${args.type}::${args.name}`;
        if (inputsOf.has(key)) failures.push(`Two resources are ${key}`);
        inputsOf.set(key, withoutSecrets(args.inputs));
        return { id: `${args.name}-id`, state: { ...args.inputs, ...outputs(args) } };
      },
      call: ({ token }) => {
        failures.push(`${token} is not implemented: a preview must not look anything up`);
        throw new Error(failures.at(-1));
      },
    },
    project,
    stack,
    preview,
  );
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    requests.set(`${request.getType()}::${request.getName()}`, request);
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
      return {
        type,
        name,
        inputs: inputsOf.get(key)!,
        path: types,
        isProtected: requests.get(key)?.getProtect() ?? false,
        isKept: requests.get(key)?.getRetainondelete() ?? false,
        after: (requests.get(key)?.getDependenciesList() ?? []).map(nameIn),
        replacedWith: (requests.get(key)?.getReplaceWithList() ?? []).map(nameIn),
        ignored: requests.get(key)?.getIgnorechangesList() ?? [],
        isDeletedFirst: requests.get(key)?.getDeletebeforereplace() ?? false,
        urns: urnsOf(key, requests),
      };
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

/** The value of an output. Await it: an assertion inside apply cannot fail a test (pulumi/pulumi#6666). */
export const unwrap = <T>(output: pulumi.Input<T>): Promise<pulumi.Unwrap<T>> =>
  new Promise((resolve) => {
    pulumi.output(output).apply((value) => resolve(value as pulumi.Unwrap<T>));
  });

const nameIn = (urn: string): string => urn.split("::").at(-1)!;

/** The URNs of a resource, given as "type::name": pulumi.com/docs/iac/concepts/resources/options/aliases */
function urnsOf(key: string, requests: ReadonlyMap<string, RegisterResourceRequest>): string[] {
  const request = requests.get(key);
  const [type = "", name = ""] = key.split("::");
  const short = (urn: string) => urn.split("::").slice(2).join("::");
  const parent = short(request?.getParent() ?? "");
  const parents = parent === "" ? [""] : urnsOf(parent.split("$").at(-1)!, requests);
  const under = (above: readonly string[], ownType: string, ownName: string) =>
    above.map((urn) => `${urn === "" ? "" : `${urn.split("::")[0]}$`}${ownType}::${ownName}`);
  const aliased = (request?.getAliasesList() ?? []).flatMap((alias: Alias) => {
    const spec = alias.getSpec();
    if (spec === undefined) return [short(alias.getUrn())];
    const above = spec.getParenturn() ? [short(spec.getParenturn())] : spec.getNoparent() ? [""] : parents;
    return under(above, spec.getType() || type, spec.getName() || name);
  });
  return [...new Set([...under(parents, type, name), ...aliased])];
}

/** Shows the value of inputs that the provider marks as secret. */
const withoutSecrets = (inputs: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, pulumi.runtime.unwrapRpcSecret(value)]),
  );

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
