/** Stands for a property that only the deployment will know, e.g. the e-mail of a service account in a preview. */
export const UNKNOWN = Symbol("known after the deployment");

/** A property of a resource, as data. */
export type Value = string | number | boolean | null | undefined | typeof UNKNOWN | Value[] | ValueMap;
type ValueMap = { [name: string]: Value };

/**
 * A copy of a resource's properties with {@link UNKNOWN} in the place of what is not known yet. Pulumi throws on
 * reading such a property, which would end the policy before it has seen the others.
 */
export function plain(properties: object): Value {
  const read = (key: string): Value => {
    let value: unknown;
    try {
      value = (properties as Record<string, unknown>)[key];
    } catch {
      return UNKNOWN;
    }
    return typeof value === "object" && value !== null ? plain(value) : (value as Value);
  };
  const keys = Object.keys(properties);
  return Array.isArray(properties) ? keys.map(read) : Object.fromEntries(keys.map((key) => [key, read(key)]));
}

/** The value at a path like `template.serviceAccount`: undefined if missing, UNKNOWN if it lies in what is unknown. */
export function at(value: Value, path: string): Value {
  return path.split(".").reduce<Value>((parent, key) => {
    if (typeof parent !== "object" || parent === null) return parent === UNKNOWN ? UNKNOWN : undefined;
    return Object.hasOwn(parent, key) ? (parent as ValueMap)[key] : undefined;
  }, value);
}

/** Whether nothing is set: missing, null or the empty string. */
export function isEmpty(value: Value): boolean {
  return value === undefined || value === null || value === "";
}

/** Every text within a value, with its path and the last name in it; a text that is JSON is read as what it holds. */
export function* texts(
  value: Value,
  path = "",
  key = "",
): Generator<{ path: string; key: string; text: string }> {
  const content = typeof value === "string" ? parsed(value) : value;
  if (typeof content === "string") yield { path, key, text: content };
  if (typeof content !== "object" || content === null) return;
  for (const [name, child] of Object.entries(content))
    yield* texts(child, path === "" ? name : `${path}.${name}`, Array.isArray(content) ? key : name);
}

function parsed(text: string): Value {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
