import { z } from "zod";

/** JSON Schema, as far as messages use it. */
interface Node {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Node[];
}

const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  integer: "int64",
  number: "double",
  boolean: "bool",
};

/**
 * The Pub/Sub schema of a message: proto2, which has required fields, and accepts null in JSON for a field that is not
 * set. Avro does not. Pub/Sub supports proto2 and proto3, with one top-level message, no imports, and at most
 * 300 KB and 20 revisions of a schema (docs.cloud.google.com/pubsub/docs/schemas). Fields are numbered in order: Pub/Sub
 * accepts a revision that adds optional fields at the end, and no change of the others.
 * @throws Error for a type that Protocol Buffers do not have
 */
export const protocolBuffer = (name: string, message: z.ZodType): string =>
  `syntax = "proto2";\n${messageOf(name, z.toJSONSchema(message, { io: "input" }) as Node, "")}\n`;

function messageOf(name: string, { properties = {}, required = [] }: Node, indent: string): string {
  const inner = `${indent}  `;
  const lines = Object.entries(properties).flatMap(([field, node], index) => {
    const { type, nested, rule } = fieldOf(field, node, inner);
    const label = rule ?? (required.includes(field) && !isNullable(node) ? "required " : "optional ");
    return [...nested, `${inner}${label}${type} ${field} = ${index + 1};`];
  });
  return [`${indent}message ${name} {`, ...lines, `${indent}}`].join("\n");
}

/** The type of a field, the definitions that the type needs, and the field's label if the type decides it. */
function fieldOf(
  field: string,
  node: Node,
  indent: string,
): { type: string; nested: readonly string[]; rule?: string } {
  const { type, items, properties, additionalProperties, enum: values, anyOf } = node;
  const kinds = [type ?? []].flat().filter((kind) => kind !== "null");
  const alternatives = anyOf?.filter((alternative) => alternative.type !== "null") ?? [];
  const typeName = field.replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());

  if (alternatives.length === 1) return fieldOf(field, alternatives[0]!, indent);
  if (items !== undefined) return { ...fieldOf(field, items, indent), rule: "repeated " };
  if (properties !== undefined) return { type: typeName, nested: [messageOf(typeName, node, indent)] };
  if (typeof additionalProperties === "object") {
    const { type: valueType, nested } = fieldOf(field, additionalProperties, indent);
    return { type: `map<string, ${valueType}>`, nested, rule: "" };
  }
  if (values !== undefined) {
    const members = values.map((value, index) => `${value} = ${index};`).join(" ");
    return { type: typeName, nested: [`${indent}enum ${typeName} { ${members} }`] };
  }
  const scalar = kinds.length === 1 ? SCALARS[kinds[0]!] : undefined;
  if (scalar === undefined)
    throw new Error(`Protocol Buffers have no type for ${field}: ${JSON.stringify(node)}`);
  return { type: scalar, nested: [] };
}

const isNullable = ({ type, anyOf }: Node): boolean =>
  [type].flat().includes("null") || (anyOf?.some(isNullable) ?? false);
