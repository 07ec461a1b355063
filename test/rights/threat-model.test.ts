import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { planNames } from "../../components/names.ts";
import { type Grant, grantsOf } from "../grants.ts";
import { runStack, settingsOf } from "../stack-program.ts";
import { permissionsOfRole } from "./permissions.ts";

const page = readFileSync(new URL("../../docs/threat-model.md", import.meta.url), "utf8");
/** The first cell of each row of the page's table, and the rest of the row. */
const rows = new Map([...page.matchAll(/^\| (\w+) \|(.*)$/gm)].map(([, name, row]) => [name!, row!]));
rows.delete("account");

/** A role with more permissions than this is wide; so are Google's basic roles and those that administer a service. */
const WIDE = 60;
const isWide = ({ role, permissions }: Grant): boolean =>
  /^roles\/(owner|editor|viewer)$|admin|owner/i.test(role) ||
  (permissions === undefined && permissionsOfRole(role).length > WIDE);
/** The custom role of the account that deploys the stack. */
const isDeploying = ({ role }: Grant): boolean => /_deploy$/.test(role);

/** Whether a grant with this permission allows what the page says that an account cannot do. */
type Denial = (permission: string, grant: Grant) => boolean;
const any =
  (pattern: RegExp): Denial =>
  (permission) =>
    pattern.test(permission);
const onOrders =
  (pattern: RegExp): Denial =>
  (permission, { kind, on }) =>
    pattern.test(permission) && (kind === "project" || /^raw(\.|$)/.test(on));
const reading = any(/^(bigquery\.tables\.getData|pubsub\.subscriptions\.consume|storage\.objects\.get)$/);
const requesting: Denial = (permission, { kind, on }) =>
  permission === "run.routes.invoke" ||
  (permission === "pubsub.topics.publish" && (kind === "project" || on.endsWith("-requests")));
const acting = /^iam\.serviceAccounts\.(actAs|getAccessToken|getOpenIdToken|implicitDelegation|sign\w+)$/;
const DENIED: Readonly<Record<string, Denial>> = {
  "read tables, topics or files": reading,
  "read anything": reading,
  "read tables": any(/^bigquery\.tables\.getData$/),
  "read orders": onOrders(/^bigquery\.tables\.getData$/),
  "write orders": onOrders(/^bigquery\.tables\.(update|updateData|delete)$/),
  "write tables": any(/^bigquery\.tables\.(create|update|updateData|delete)$/),
  "delete tables, or change who reads them": any(/^bigquery\..*(delete|setIamPolicy)$/),
  publish: any(/^pubsub\.topics\.publish$/),
  "request runs": requesting,
  "request a run itself": requesting,
  "run its own code": any(
    /^(run\.(services|jobs)|aiplatform\.(pipelineJobs|customJobs)|workflows\.workflows|cloudfunctions\.functions|composer\.environments)\.(create|update)$/,
  ),
  "act as another account": any(acting),
  "act as any other account": (permission, { on }) => acting.test(permission) && !on.includes("-jobs@"),
  "change custom roles, service accounts, or rights on the project": any(
    /^iam\.(roles|serviceAccounts|serviceAccountKeys)\.(create|update|delete|undelete|setIamPolicy)$|^resourcemanager\.projects\.setIamPolicy$/,
  ),
  "read or change anything of the project": (_, { on }) => !/state$/.test(on),
  // components/candidate-files.test.ts has the files that the conditions allow.
  "use other files": (permission, { condition }) =>
    /^storage\.objects\.(get|create|update|delete)$/.test(permission) && condition === undefined,
  "write the state": any(/^storage\.objects\.(create|update|delete)$/),
};

const workflows = {
  ...settingsOf("prod"),
  "customer-value:orchestrator": "workflows",
  "customer-value:candidates": '["boosting"]',
};

describe("the threat model", () => {
  const { serviceAccounts } = planNames({ app: "a", environment: "e", project: "p" });
  let accounts: Record<string, Grant[]>;
  before(async function () {
    this.timeout(60_000);
    const programs = [await runStack("prod"), await runStack("prod", { settings: workflows })];
    const grants = programs.flatMap(grantsOf);
    accounts = {};
    for (const grant of grants) {
      const name = /^serviceAccount:customer-value-prod-(\w+)@/.exec(grant.member)?.[1];
      if (name !== undefined) accounts[name] = [...(accounts[name] ?? []), grant];
    }
  });

  it("has a row for each account that a stack can have, and no other", () => {
    assert.deepEqual([...rows.keys()].sort(), Object.keys(serviceAccounts).sort());
    assert.deepEqual(Object.keys(accounts).sort(), Object.keys(serviceAccounts).sort());
  });

  it("names each wide role and its account", () => {
    const wide = Object.entries(accounts).flatMap(([name, grants]) =>
      grants
        .filter((grant) => isWide(grant) && !isDeploying(grant))
        .map(({ role }) => `${name} and \`${role}\``),
    );
    assert.deepEqual([...new Set(wide)].sort(), [
      "composer and `roles/composer.worker`",
      "jobs and `roles/aiplatform.user`",
    ]);
    for (const each of wide) assert.ok(page.includes(`**${each}.**`), `${each} is not in the threat model.`);
  });

  it("says of no account that it cannot do what its roles allow", () => {
    for (const [name, row] of rows)
      for (const what of row
        .split("|")[1]!
        .split(";")
        .map((part) => part.trim())) {
        const allows = DENIED[what];
        assert.ok(allows !== undefined, `${name}: this test does not know "${what}"`);
        const held = accounts[name]!.flatMap((grant) =>
          (grant.permissions ?? permissionsOfRole(grant.role))
            .filter((permission) => allows(permission, grant))
            .map((permission) => `${permission} on ${grant.kind} ${grant.on}`),
        );
        assert.deepEqual(held, [], `${name} cannot ${what}`);
      }
  });

  it("says which account can act as another", () => {
    const actors = Object.entries(accounts).flatMap(([name, grants]) =>
      grants
        .filter(({ role, kind }) => kind === "account" && /serviceAccountUser|TokenCreator/.test(role))
        .map(({ on }) => [name, /customer-value-prod-(\w+)@/.exec(on)![1]!] as const),
    );
    assert.deepEqual([...new Set(actors.map(([name]) => name))].sort(), ["deploy", "invoker", "jobs"]);
    for (const [name, other] of actors)
      assert.match(rows.get(name)!, new RegExp(`\\bas\\b[^|]*\\b${other}\\b`), `${name} can act as ${other}`);
  });

  it("marks the accounts with rights on the whole project", () => {
    for (const [name, grants] of Object.entries(accounts))
      assert.equal(
        rows.get(name)!.includes("*"),
        grants.some(({ kind }) => kind === "project"),
        `${name}: * is for rights on the project`,
      );
  });

  it("names each permission to change access, custom roles or accounts, but those of the account that deploys", () => {
    const granting =
      /setIamPolicy$|^iam\.(roles|serviceAccountKeys)\.|^iam\.serviceAccounts\.(create|update)/;
    const named = Object.entries(accounts).flatMap(([name, grants]) =>
      grants
        .filter((grant) => !isDeploying(grant))
        .flatMap(({ role, permissions }) => permissions ?? permissionsOfRole(role))
        .filter((permission) => granting.test(permission))
        .map((permission) => `${name} ${permission}`),
    );
    assert.deepEqual([...new Set(named)].sort(), [
      "composer artifactregistry.repositories.setIamPolicy",
      "composer storage.objects.setIamPolicy",
    ]);
    for (const each of named) assert.ok(page.includes(`\`${each.split(" ")[1]}\``), each);
  });
});
