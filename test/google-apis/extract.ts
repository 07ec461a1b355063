import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { METHODS } from "./methods.ts";

/**
 * Writes descriptions.json: what METHODS names, and the schemas that they use, from Google's API descriptions.
 * node test/google-apis/extract.ts "$(go mod download -json google.golang.org/api@v0.315.0 | jq -r .Dir)"
 */
const [, , folder] = process.argv;
if (folder === undefined) throw new Error("Give the folder of the Go module google.golang.org/api.");

// biome-ignore lint/suspicious/noExplicitAny: JSON of Google's discovery format
type Json = any;
const KEPT = ["type", "format", "enum", "pattern", "location", "required", "repeated", "$ref", "readOnly"];

/** A parameter or schema without its documentation. */
function slim(schema: Json): Json {
  const kept = Object.fromEntries(Object.entries(schema).filter(([key]) => KEPT.includes(key)));
  if (schema.properties) kept.properties = mapValues(schema.properties, slim);
  if (schema.items) kept.items = slim(schema.items);
  if (schema.additionalProperties) kept.additionalProperties = slim(schema.additionalProperties);
  return kept;
}

const mapValues = (object: Json, change: (value: Json) => Json): Json =>
  Object.fromEntries(Object.entries(object ?? {}).map(([key, value]) => [key, change(value)]));

const refsOf = (schema: Json): string[] =>
  [...JSON.stringify(schema ?? {}).matchAll(/"\$ref":"(\w+)"/g)].map(([, name]) => name!);

const apis = Object.entries(METHODS).map(([api, ids]) => {
  const [name = ""] = api.split("/");
  const description: Json = JSON.parse(readFileSync(join(folder, api, `${name}-api.json`), "utf8"));
  const methods = ids.map((id) => {
    const found: Json = id
      .split(".")
      .reduce<Json>(
        (place, part, index, parts) =>
          index === parts.length - 1 ? place?.methods?.[part] : place?.resources?.[part],
        description,
      );
    if (found === undefined) throw new Error(`${api} has no method ${id}.`);
    const upload = Object.values<Json>(found.mediaUpload?.protocols ?? {}).map(({ path }) => path);
    return {
      id: `${name}.${id}`,
      httpMethod: found.httpMethod,
      paths: [`/${description.servicePath}${found.path}`, ...upload],
      parameters: mapValues(found.parameters, slim),
      ...(found.request ? { request: found.request.$ref } : {}),
    };
  });
  const schemas: Record<string, Json> = {};
  const wanted = methods.flatMap(({ request }) => request ?? []);
  for (const schema of wanted) {
    if (schemas[schema] !== undefined) continue;
    schemas[schema] = slim(description.schemas[schema]);
    wanted.push(...refsOf(schemas[schema]));
  }
  const host = new URL(description.rootUrl).host;
  return {
    api,
    host,
    revision: description.revision,
    parameters: mapValues(description.parameters, slim),
    methods,
    schemas,
  };
});
writeFileSync(new URL("descriptions.json", import.meta.url), `${JSON.stringify(apis, null, 1)}\n`);
