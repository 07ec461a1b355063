import { readFileSync } from "node:fs";

/** A request to one of Google's REST APIs, as it is sent. */
export interface ApiRequest {
  readonly method: string;
  /** With scheme and host: the host names the API. */
  readonly url: string;
  /** A JSON body, parsed. */
  readonly body?: unknown;
}

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly location?: "path" | "query";
  readonly required?: boolean;
  readonly repeated?: boolean;
  readonly readOnly?: boolean;
  readonly $ref?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
}
type Schemas = Readonly<Record<string, Schema>>;
interface Method {
  readonly id: string;
  readonly httpMethod: string;
  readonly paths: readonly string[];
  readonly parameters: Schemas;
  readonly request?: string;
}
interface Api {
  readonly host: string;
  readonly parameters: Schemas;
  readonly methods: readonly Method[];
  readonly schemas: Schemas;
}

const apis: readonly Api[] = JSON.parse(readFileSync(new URL("descriptions.json", import.meta.url), "utf8"));

/** Every Google API takes these headers as parameters too, and old APIs know these two parameters. */
const GLOBAL = ["key", "prettyPrint", "alt", "uploadType", "upload_id"];

/** What texts of a format look like: developers.google.com/discovery/v1/type-format, and protobuf's JSON mapping. */
const FORMATS: Readonly<Record<string, RegExp>> = {
  byte: /^[A-Za-z0-9+/_-]*={0,2}$/,
  date: /^\d{4}-\d\d-\d\d$/,
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  "google-datetime": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  "google-duration": /^-?\d+(\.\d{1,9})?s$/,
  "google-fieldmask": /^[\w.,]*$/,
  int64: /^-?\d+$/,
  uint64: /^\d+$/,
};

/** What Google's own clients send although the description does not have it; the API accepts it of all their users. */
const OF_THE_CLIENTS =
  /query has no field types$|no parameter projection$|parameterValue\.value must be a text$/;

/** The id of the method that a request calls, such as `bigquery.jobs.insert`, and what is wrong with the request. */
export interface Checked {
  readonly method: string | undefined;
  readonly problems: readonly string[];
}

/** Checks a request by Google's own description of its API: method and path, parameters, and the fields of the body. */
export function checkRequest({ method, url, body }: ApiRequest): Checked {
  const { host, pathname, searchParams } = new URL(url);
  // Regional endpoints: europe-west1-aiplatform.googleapis.com.
  const hosted = apis.filter((api) => host === api.host || host.endsWith(`-${api.host}`));
  if (hosted.length === 0) return { method: undefined, problems: [`${host} is not described`] };
  for (const api of hosted)
    for (const described of api.methods) {
      if (described.httpMethod !== method) continue;
      const values = described.paths.map((path) => match(path, pathname, described.parameters)).find(Boolean);
      if (values === undefined) continue;
      const problems = [
        ...checkParameters(api, described, values, searchParams),
        ...checkBody(api, described, body),
      ].filter((problem) => !OF_THE_CLIENTS.test(problem));
      return { method: described.id, problems: problems.map((problem) => `${described.id}: ${problem}`) };
    }
  return { method: undefined, problems: [`no method of ${host} is ${method} ${pathname}`] };
}

/** The values of a path by its template: {name} is one segment, {+name} what the parameter's pattern matches. */
function match(template: string, path: string, parameters: Schemas): Record<string, string> | undefined {
  const names: string[] = [];
  const expression = template.replace(/[.*()]|\{(\+?)(\w+)\}/g, (whole, plus, name) => {
    if (name === undefined) return `\\${whole}`;
    names.push(name);
    const pattern = parameters[name]?.pattern?.replace(/^\^|\$$/g, "").replace(/\((?!\?)/g, "(?:");
    return `(${plus === "+" && pattern ? pattern : "[^/]+"})`;
  });
  const found = new RegExp(`^${expression}$`).exec(path);
  return found === null
    ? undefined
    : Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1]!)]));
}

function checkParameters(
  api: Api,
  { parameters }: Method,
  values: Readonly<Record<string, string>>,
  query: URLSearchParams,
): string[] {
  const known = { ...api.parameters, ...parameters };
  const given = [...query].map(([name, value]) => {
    if (known[name] === undefined) return GLOBAL.includes(name) ? [] : [`there is no parameter ${name}`];
    return checkText(known[name], value, name);
  });
  const missing = Object.entries(parameters)
    .filter(([name, { required }]) => required && values[name] === undefined && !query.has(name))
    .map(([name]) => `parameter ${name} is required`);
  return [...given.flat(), ...missing];
}

function checkBody({ schemas }: Api, { request }: Method, body: unknown): string[] {
  if (body === undefined) return [];
  if (request === undefined) {
    const isEmpty = typeof body === "object" && body !== null && Object.keys(body).length === 0;
    return isEmpty ? [] : ["the method takes no body"];
  }
  return checkValue(schemas, { $ref: request }, body, "body");
}

function checkValue(schemas: Schemas, schema: Schema, value: unknown, place: string): string[] {
  if (schema.$ref !== undefined) {
    const named = schemas[schema.$ref];
    return named === undefined
      ? [`${place}: no schema ${schema.$ref}`]
      : checkValue(schemas, named, value, place);
  }
  // As in protobuf's JSON mapping, null is no value.
  if (value === null || schema.type === "any") return [];
  if (schema.type === "array") {
    if (!Array.isArray(value)) return [`${place} must be a list`];
    return value.flatMap((item, index) =>
      checkValue(schemas, schema.items ?? {}, item, `${place}[${index}]`),
    );
  }
  if (schema.type === "object" || schema.properties !== undefined) {
    if (typeof value !== "object" || Array.isArray(value)) return [`${place} must be an object`];
    return Object.entries(value).flatMap(([name, field]) => {
      const described = schema.properties?.[name] ?? schema.additionalProperties;
      if (described === undefined) return [`${place} has no field ${name}`];
      return checkValue(schemas, described, field, `${place}.${name}`);
    });
  }
  if (schema.type === "boolean") return typeof value === "boolean" ? [] : [`${place} must be true or false`];
  if (schema.type === "integer" || schema.type === "number") {
    const isNumber = typeof value === "number" && (schema.type === "number" || Number.isInteger(value));
    return isNumber ? [] : [`${place} must be a${schema.type === "integer" ? "n integer" : " number"}`];
  }
  if (typeof value === "number" && /int64/.test(schema.format ?? "")) return [];
  return typeof value === "string" ? checkText(schema, value, place) : [`${place} must be a text`];
}

/** A text by its enumeration, format and pattern; numbers and booleans of a query are texts too. */
function checkText(schema: Schema, text: string, place: string): string[] {
  if (schema.enum !== undefined && !schema.enum.includes(text))
    return [`${place} is ${JSON.stringify(text)}, not one of ${schema.enum.join(", ")}`];
  const format = FORMATS[schema.format ?? ""];
  if (format !== undefined && !format.test(text))
    return [`${place} is ${JSON.stringify(text)}, which is not of the format ${schema.format}`];
  if (schema.type === "boolean" && !/^(true|false)$/.test(text)) return [`${place} must be true or false`];
  if (schema.type === "integer" && !/^-?\d+$/.test(text)) return [`${place} must be an integer`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(text))
    return [`${place} is ${JSON.stringify(text)}, which does not match ${schema.pattern}`];
  return [];
}
