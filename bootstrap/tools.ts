import { readFileSync } from "node:fs";
import type { Settings } from "../components/settings.ts";
import { type Check, check, type Finding, missing, ok } from "./check.ts";
import type { Outside } from "./outside.ts";

/** The version of Pulumi's SDK that is installed, which its command must not be older than. */
const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
const PULUMI: string = lock.packages["node_modules/@pulumi/pulumi"].version;

/** Programs: how to ask for the version, the oldest that will do, and how to install it. Tried with gcloud 528. */
const TOOLS = {
  gcloud: ["--version", "500.0.0", "curl -fsSL https://sdk.cloud.google.com | bash -s -- --disable-prompts"],
  pulumi: ["version", PULUMI, `curl -fsSL https://get.pulumi.com | sh -s -- --version ${PULUMI}`],
  docker: ["--version", "23.0.0", "curl -fsSL https://get.docker.com | sh"],
  gh: ["--version", "2.32.0", "xdg-open https://cli.github.com   # says how to install it"],
} as const;

/** The programs that a deployment runs, and bootstrap. */
export function planTools(settings: () => Settings, { run }: Outside): readonly Check[] {
  return [
    ...(["gcloud", "pulumi", "docker"] as const).map((name) => check(name, [], () => tool(name))),
    check("docker's engine", ["docker"], () =>
      run("docker", "version", "--format", "{{.Server.Version}}").then(ok, (error: Error) =>
        missing(error.message, "sudo systemctl start docker"),
      ),
    ),
    check("gh", ["settings"], async () => {
      if (settings().githubRepository === undefined) return ok("not needed, as githubRepository is not set");
      const found = await tool("gh");
      if (found.state !== "ok") return found;
      return run("gh", "auth", "status").then(
        () => found,
        () => missing("not logged in", "gh auth login"),
      );
    }),
  ];

  async function tool(name: keyof typeof TOOLS): Promise<Finding> {
    const [asked, oldest, install] = TOOLS[name];
    try {
      const version = /\d+\.\d+\.\d+/.exec(await run(name, asked))?.[0] ?? "0.0.0";
      const isOld = version.localeCompare(oldest, undefined, { numeric: true }) < 0;
      // Another major version of Pulumi speaks another protocol with the SDK.
      const isOther = name === "pulumi" && version.split(".")[0] !== oldest.split(".")[0];
      return isOld || isOther ? missing(`${version}, and it takes ${oldest} or later`, install) : ok(version);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return missing("not installed", install);
    }
  }
}
