import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deployPermissions } from "../../components/deploy-permissions.ts";
import { grantsOf } from "../grants.ts";
import { runStack } from "../stack-program.ts";
import { CALLS } from "./calls.ts";
import { PROVIDER_CALLS, PROVIDER_ITSELF } from "./provider-calls.ts";

/** Writes google.json: the methods, roles and permissions that the rights of the stack are about. See README.md. */
const [, , folder] = process.argv;
if (folder === undefined) throw new Error("Give the folder of a clone of github.com/iann0036/iam-dataset.");
const read = (path: string) => JSON.parse(readFileSync(join(folder, "gcp", path), "utf8"));

const api: Record<string, { methods: Record<string, { permissions?: { name: string }[] }> }> =
  read("map.json").api;
const methods = Object.assign({}, ...Object.values(api).map((each) => each.methods)) as Record<
  string,
  { permissions?: { name: string }[] }
>;
const roles: Record<string, string[]> = Object.fromEntries(
  readdirSync(join(folder, "gcp/roles")).map((file) => [
    `roles/${file.replace(/\.json$/, "")}`,
    read(`roles/${file}`).includedPermissions ?? [],
  ]),
);

const grants = [...grantsOf(await runStack("dev")), ...grantsOf(await runStack("prod"))];
const called = [
  ...Object.values(CALLS).flatMap((calls) => calls.map(({ what }) => what)),
  ...Object.values(PROVIDER_CALLS).flat(),
  ...PROVIDER_ITSELF,
];
const named = [...called, ...deployPermissions(), ...grants.flatMap(({ permissions }) => permissions ?? [])];
/** service.resource of a permission, in either way of writing it. */
const resourceOf = (permission: string) =>
  permission.replace(/\.googleapis\.com[/-]/, ".").replace(/\.\w+$/, "");
const resources = new Set(named.map(resourceOf));

const sorted = (names: Iterable<string>) => [...new Set(names)].sort();
const pick = <T, U>(source: Record<string, T>, names: Iterable<string>, change: (value: T) => U) =>
  Object.fromEntries(
    sorted(names).flatMap((name) => (source[name] === undefined ? [] : [[name, change(source[name])]])),
  );
const google = {
  methods: pick(methods, called, ({ permissions = [] }) => sorted(permissions.map(({ name }) => name))),
  roles: pick(
    roles,
    grants.map(({ role }) => role),
    sorted,
  ),
  permissions: sorted(Object.values(roles).flat()).filter((name) => resources.has(resourceOf(name))),
};
writeFileSync(new URL("google.json", import.meta.url), `${JSON.stringify(google, null, 1)}\n`);
