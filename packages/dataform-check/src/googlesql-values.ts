import { UserError } from "./user-error.ts";

/** The part of the analyzer's TypeProto that is used here. */
export interface TypeMessage {
  readonly type_kind: string;
  readonly array_type?: { readonly element_type: TypeMessage };
  readonly struct_type?: {
    readonly field: readonly { readonly field_name: string; readonly field_type: TypeMessage }[];
  };
}

/** The analyzer's ValueProto: one field, named by the type, or no field for null. */
type ValueMessage = Readonly<Record<string, unknown>>;

const SCALARS =
  "BIGNUMERIC BOOL BYTES DATE DATETIME FLOAT64 GEOGRAPHY INT64 INTERVAL JSON NUMERIC STRING TIME TIMESTAMP".split(
    " ",
  );

export function isType(type: string): boolean {
  try {
    return typeMessage(type) !== undefined;
  } catch {
    return false;
  }
}

/** @throws UserError for a name that is not a GoogleSQL type. */
export function typeMessage(type: string): TypeMessage {
  if (SCALARS.includes(type)) return { type_kind: type === "FLOAT64" ? "TYPE_DOUBLE" : `TYPE_${type}` };
  const [, kind, inner] = /^(ARRAY|STRUCT)<(.+)>$/s.exec(type) ?? [];
  if (kind === "ARRAY") return { type_kind: "TYPE_ARRAY", array_type: { element_type: typeMessage(inner!) } };
  if (kind === "STRUCT") {
    const field = fieldsOf(inner!).map((text) => {
      const [name, rest] = text.trim().split(/\s+(.*)/s);
      return { field_name: name!, field_type: typeMessage(rest ?? "") };
    });
    return { type_kind: "TYPE_STRUCT", struct_type: { field } };
  }
  throw new UserError(`${JSON.stringify(type)} is not a GoogleSQL type.`, {
    remedy: `Use ${SCALARS.join(", ")}, ARRAY<…> or STRUCT<name type, …>.`,
  });
}

/** Splits at the commas outside of angle brackets. */
function fieldsOf(text: string): string[] {
  const fields = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "<") depth += 1;
    if (character === ">") depth -= 1;
    if (character === "," && depth === 0) fields.push("");
    else fields[fields.length - 1] += character;
  }
  return fields;
}

/** The GoogleSQL name of a type. */
export function typeName(type: TypeMessage): string {
  if (type.array_type) return `ARRAY<${typeName(type.array_type.element_type)}>`;
  if (type.struct_type) {
    const fields = type.struct_type.field.map(({ field_name, field_type }) =>
      `${field_name} ${typeName(field_type)}`.trim(),
    );
    return `STRUCT<${fields.join(", ")}>`;
  }
  return type.type_kind === "TYPE_DOUBLE" ? "FLOAT64" : type.type_kind.replace(/^TYPE_/, "");
}

const DAY = 86_400_000;

const TO_MESSAGE: Readonly<Record<string, (value: unknown) => ValueMessage>> = {
  TYPE_BOOL: (value) => ({ bool_value: value }),
  TYPE_DATE: (value) => ({ date_value: Date.parse(`${value}T00:00:00Z`) / DAY }),
  TYPE_DOUBLE: (value) => ({ double_value: Number(value) }),
  TYPE_INT64: (value) => ({ int64_value: String(value) }),
  TYPE_STRING: (value) => ({ string_value: value }),
  TYPE_TIMESTAMP: (value) => {
    const seconds = String(Math.floor(Date.parse(String(value)) / 1000));
    const [, fraction = ""] = /:\d\d\.(\d+)/.exec(String(value)) ?? [];
    return { timestamp_value: { seconds, nanos: Number(fraction.padEnd(9, "0")) } };
  },
};

/** A value for the evaluator: dates are YYYY-MM-DD, timestamps ISO 8601. */
export function valueMessage(value: unknown, type: TypeMessage): ValueMessage {
  if (value === null || value === undefined) return {};
  if (type.array_type) {
    const { element_type } = type.array_type;
    return { array_value: { element: (value as unknown[]).map((each) => valueMessage(each, element_type)) } };
  }
  const toMessage = TO_MESSAGE[type.type_kind];
  if (toMessage !== undefined) return toMessage(value);
  throw new UserError(`Values of type ${typeName(type)} are not supported by the reference evaluator here.`);
}

/** The value of the evaluator's answer, in the same form. */
export function plainValue(message: ValueMessage, type: TypeMessage): unknown {
  const kind = String(message.value ?? "null");
  const value = message[kind];
  const { array_type, struct_type } = type;
  if (kind === "null") return null;
  if (kind === "array_value") {
    const { element = [] } = value as { element?: ValueMessage[] };
    return element.map((each) => plainValue(each, array_type!.element_type));
  }
  if (kind === "struct_value") {
    const { field = [] } = value as { field?: ValueMessage[] };
    const entries = struct_type!.field.map(({ field_name, field_type }, index) => [
      field_name,
      plainValue(field[index]!, field_type),
    ]);
    return Object.fromEntries(entries);
  }
  if (kind === "date_value") return new Date(Number(value) * DAY).toISOString().slice(0, 10);
  if (kind === "int64_value") return Number(value);
  if (kind !== "timestamp_value") return value;
  const { seconds = 0, nanos = 0 } = value as { seconds?: string; nanos?: number };
  const fraction = `.${String(nanos).padStart(9, "0")}`.replace(/\.?0+$/, "");
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction}Z`;
}
