import type { PolicyConfigSchema, ResourceValidationPolicy } from "@pulumi/policy";
import { plain, type Value } from "./value.ts";

export interface Rule<Config extends object> {
  readonly name: string;
  /** What is allowed, a sentence. */
  readonly description: string;
  /** What to do about a violation, a sentence. */
  readonly remedy: string;
  /** Types of the resources that the rule is about, or the start of their names, for example gcp:pubsub/. */
  readonly types: readonly string[];
  readonly configSchema?: PolicyConfigSchema;
  /** What is not allowed. A value that is not known yet is allowed. Must not throw. */
  violations(resource: Resource, config: Config): Iterable<string>;
}

/** What a rule sees of a resource; its name is the one in the program, known even in a preview. */
export type Resource = { readonly type: string; readonly name: string; readonly properties: Value };

/** A mandatory policy of a rule; its messages say which resource, what was found, what is allowed and what to do. */
export function policy<Config extends object>(rule: Rule<Config>): ResourceValidationPolicy {
  const { name, description, configSchema } = rule;
  const defaults = Object.entries(configSchema?.properties ?? {}).map(([key, schema]) => [
    key,
    schema.default,
  ]);
  return {
    name,
    description,
    enforcementLevel: "mandatory",
    ...(configSchema && { configSchema }),
    validateResource: ({ type, name, props, getConfig }, reportViolation) => {
      if (!rule.types.some((prefix) => type.startsWith(prefix))) return;
      const config = { ...Object.fromEntries(defaults), ...getConfig<Config>() };
      for (const found of rule.violations({ type, name, properties: plain(props) }, config))
        reportViolation(`${type} "${name}": found ${found}. Allowed: ${description} ${rule.remedy}`);
    },
  };
}
