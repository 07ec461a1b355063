import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { deployPermissions, GRANTING } from "../../components/deploy-permissions.ts";
import { projectDir } from "../../lib/project.ts";
import { METHODS } from "../google-apis/methods.ts";
import { type Grant, grantsOf } from "../grants.ts";
import { runStack, type StackProgram, settingsOf } from "../stack-program.ts";
import { CALLS, CALLS_OF_PEOPLE, type Call, ROLES_BY_DOCUMENTATION } from "./calls.ts";
import { isPermission, permissionsOf, permissionsOfRole } from "./permissions.ts";
import { PROVIDER_CALLS, PROVIDER_ITSELF } from "./provider-calls.ts";

interface Need {
  readonly permission: string;
  readonly on: string;
  readonly by: string;
}

/** A name in Google Cloud without what all names of the stack begin or end with. */
const short = (name: string): string =>
  name
    .replace(/@[^@]*$/, "")
    .replace(/^.*\bcustomer-value-(dev|prod)-/, "")
    .replace(/^.*\//, "");

const onOf = ({ kind, on }: Grant): string => (kind === "project" ? "project" : `${kind} ${short(on)}`);

/** Products with accounts of their own. */
const PRODUCTS: Readonly<Record<string, string>> = {
  aiplatform: "Vertex AI",
  pubsub: "Pub/Sub",
  workflows: "Workflows",
};

/** The account of a member as CALLS names it; undefined for people and groups, who are settings. */
function accountOf(member: string): string | undefined {
  if (/^(group|user):/.test(member)) return undefined;
  if (member.startsWith("principal:")) return `GitHub ${/\/subject\/\d+:(.*)/.exec(member)?.[1]}`;
  const service = /@gcp-sa-(\w+)/.exec(member)?.[1];
  return service === undefined ? short(member.replace(/^\w+:/, "")) : PRODUCTS[service];
}

/** Whether a right on the first is one on the second. Orders and marketing's tables may be in other projects. */
function contains(granted: string, needed: string): boolean {
  if (granted === "project") return !/^(table raw\.|(table|dataset) mlops_mkt)/.test(needed);
  return granted === needed || needed.startsWith(`${granted.replace(/^dataset /, "table ")}.`);
}

const permissionsIn = ({ role, permissions }: Grant): readonly string[] =>
  permissions ?? permissionsOfRole(role);

const covers = (grant: Grant, { permission, on }: Need): boolean =>
  contains(onOf(grant), on) && permissionsIn(grant).includes(permission);

/** What deploying without rights to grant rights calls: of such types it only reads. */
const DEPLOYING: readonly Call[] = [
  ...Object.entries(PROVIDER_CALLS).flatMap(([type, whats]) =>
    GRANTING.includes(type) ? whats.filter((what) => /\.get\w*$/.test(what)) : whats,
  ),
  ...PROVIDER_ITSELF,
].map((what) => ({ what, on: "project", by: "Pulumi" }));

const needsOf = (calls: readonly Call[]): Need[] =>
  calls.flatMap(({ what, on, by }) => permissionsOf(what).map((permission) => ({ permission, on, by })));

/** What is granted and nothing needs, one line a grant. Long lists are counted by service. */
function surplus(grant: Grant, needs: readonly Need[]): string {
  const unused = permissionsIn(grant).filter(
    (permission) => !needs.some((need) => need.permission === permission && covers(grant, need)),
  );
  const place = `  ${grant.role} on ${onOf(grant)}: `;
  const why = ROLES_BY_DOCUMENTATION[grant.role];
  if (unused.length === 0) return `${place}nothing`;
  if (why === undefined) return `${place}${unused.sort().join(", ")}`;
  const services = Object.groupBy(unused, (permission) => permission.split(".")[0]!);
  const counts = Object.entries(services)
    .sort()
    .map(([service, some]) => `${service} ${some!.length}`);
  return `${place}${unused.length} permissions (${counts.join(", ")}); the role that ${why} asks for`;
}

function assertGolden(name: string, text: string): void {
  const file = new URL(`${name}.golden.txt`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"), `${name} has changed. If this is intended: UPDATE_GOLDEN=1`);
}

const STACKS: Readonly<Record<string, () => Promise<StackProgram>>> = {
  dev: () => runStack("dev"),
  prod: () => runStack("prod"),
  "prod with Workflows and candidates": () =>
    runStack("prod", {
      settings: {
        ...settingsOf("prod"),
        "customer-value:orchestrator": "workflows",
        "customer-value:candidates": '["boosting"]',
      },
    }),
  "prod with Composer of another team": () =>
    runStack("prod", {
      settings: {
        ...settingsOf("prod"),
        "customer-value:orchestrator": "existing-composer",
        "customer-value:composerEnvironment": "data-platform",
        "customer-value:composerDagBucket": "europe-west1-data-platform-bucket",
        "customer-value:composerServiceAccount": "composer@platform.iam.gserviceaccount.com",
      },
    }),
};

describe("rights", function () {
  this.timeout(60_000);
  for (const [stack, run] of Object.entries(STACKS))
    describe(stack, () => {
      let grants: readonly Grant[];
      let byAccount: Map<string, Grant[]>;
      /** What an account needs of the resources that this stack has. */
      let needs: (account: string) => Need[];
      before(async () => {
        const program = await run();
        grants = grantsOf(program).filter(({ member }) => accountOf(member) !== undefined);
        byAccount = Map.groupBy(grants, ({ member }) => accountOf(member)!);
        const accounts = program
          .ofType("gcp:serviceaccount/account:Account")
          .map(({ inputs }) => short(String(inputs.accountId)));
        needs = (account) => {
          const calls = CALLS[account] ?? assert.fail(`calls.ts does not say what ${account} calls.`);
          const all = account === "deploy" ? [...calls, ...DEPLOYING] : calls;
          const absent = (on: string) => on.startsWith("account ") && !accounts.includes(on.slice(8));
          return needsOf(all.filter(({ on }) => !absent(on)));
        };
      });

      it("are enough for every call, on the resource that is called", () => {
        assert.ok(byAccount.size > 5);
        const missing = [...byAccount].flatMap(([account, granted]) =>
          needs(account)
            .filter((need) => !granted.some((grant) => covers(grant, need)))
            .map(({ permission, on, by }) => `${account} lacks ${permission} on ${on}, for ${by}`),
        );
        assert.deepEqual(missing, []);
      });

      it("exist in Google Cloud, where a custom role has them", () => {
        const custom = grants.flatMap(({ permissions }) => permissions ?? []);
        assert.deepEqual(
          custom.filter((permission) => !isPermission(permission)),
          [],
        );
      });

      if (stack.includes(" ")) return;
      it("have this surplus (golden)", () => {
        const texts = [...byAccount].sort().map(([account, granted]) => {
          const lines = granted.map((grant) => surplus(grant, needs(account)));
          return `${[account, ...lines.sort()].join("\n")}\n`;
        });
        assertGolden(`surplus.${stack}`, texts.join("\n"));
      });
    });

  it("of a person who deploys are what the provider calls", () => {
    const whats = [...Object.values(PROVIDER_CALLS).flat(), ...PROVIDER_ITSELF];
    const needed = new Set(whats.flatMap(permissionsOf));
    const listed = deployPermissions();
    assert.deepEqual([...needed].filter((permission) => !listed.includes(permission)).sort(), []);
    assert.deepEqual(
      listed.filter((permission) => !needed.has(permission)),
      [],
    );
    assert.deepEqual(
      listed.filter((permission) => !isPermission(permission)),
      [],
    );
  });

  it("are compared with calls of files that exist", () => {
    const files = Object.values(CALLS).flatMap((calls) => calls.map(({ by }) => by));
    const paths = files.filter((file) => file.includes("/") && file !== "Pub/Sub");
    assert.deepEqual(
      paths.filter((file) => !existsSync(projectDir + file)),
      [],
    );
  });

  it("are compared with all REST calls that tests record", () => {
    const declared = new Set([
      ...Object.values(CALLS).flatMap((calls) => calls.map(({ what }) => what)),
      ...CALLS_OF_PEOPLE,
    ]);
    const described = Object.entries(METHODS).flatMap(([api, methods]) =>
      methods.map((method) => `${api.split("/")[0]}.${method}`),
    );
    assert.deepEqual(
      described.filter((method) => !declared.has(method)),
      [],
    );
  });
});
