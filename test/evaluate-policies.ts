import { createRequire } from "node:module";
import type { ResourceValidationArgs, ResourceValidationPolicy } from "@pulumi/policy";
import type { Resource as PulumiResource } from "@pulumi/pulumi";

/** A resource as a program declares it: type token, name in the program and inputs. */
export type Declared = { readonly type: string; readonly name: string; readonly inputs: object };

type Kind<Args> = new (name: string, args: Args, ...rest: never[]) => PulumiResource;

// How the policy SDK hands over what is not known yet; it keeps this module to itself.
const sdk: { unknownCheckingProxy(properties: object): Record<string, unknown>; unknownStringValue: string } =
  createRequire(import.meta.url)("@pulumi/policy/proxy");

/** In the place of a text that only the deployment will know. */
export const LATER: string = sdk.unknownStringValue;

/** A resource of a provider's class; what is left out is not set. */
export function declared<Args>(kind: Kind<Args>, name: string, inputs: Partial<NonNullable<Args>>): Declared {
  const type = Reflect.get(kind, "__pulumiType") as string;
  return { type, name, inputs };
}

/** The messages of policies on a resource, as a preview would report them, with a policy's configuration if any. */
export async function evaluate(
  policies: readonly ResourceValidationPolicy[],
  { type, name, inputs }: Declared,
  config: object = {},
): Promise<string[]> {
  const messages: string[] = [];
  const args = { type, name, props: sdk.unknownCheckingProxy(inputs), getConfig: () => config };
  for (const { validateResource } of policies)
    for (const validate of [validateResource ?? []].flat())
      await validate(args as unknown as ResourceValidationArgs, (message) => messages.push(message));
  return messages;
}
