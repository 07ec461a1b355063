import { readFileSync } from "node:fs";
import { type Context, type Finding, missing, ok } from "./check.ts";
import type { CloudClient } from "./cloud-client.ts";

/** The installed version of Pulumi's SDK. The pulumi command must not be older. */
const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
const PULUMI: string = lock.packages["node_modules/@pulumi/pulumi"].version;

/** How to print each program's version, the oldest version that works, and how to install it. */
const TOOLS = {
  gcloud: ["--version", "500.0.0", "curl -fsSL https://sdk.cloud.google.com | bash -s -- --disable-prompts"],
  pulumi: ["version", PULUMI, `curl -fsSL https://get.pulumi.com | sh -s -- --version ${PULUMI}`],
  docker: ["--version", "23.0.0", "curl -fsSL https://get.docker.com | sh"],
  gh: ["--version", "2.32.0", "xdg-open https://cli.github.com   # installation guide"],
} as const;

export const dockerEngine = ({ client }: Context): Promise<Finding> =>
  client
    .run("docker", "version", "--format", "{{.Server.Version}}")
    .then(ok, (error: Error) => missing(error.message, "sudo systemctl start docker"));

/** gh sets the variables of the workflows. */
export async function gh({ client, settings }: Context): Promise<Finding> {
  if (settings.github === undefined) return ok("not needed: githubRepository is not set");
  const found = await version("gh", client);
  if (found.state !== "ok") return found;
  return client.run("gh", "auth", "status").then(
    () => found,
    () => missing("not logged in", "gh auth login"),
  );
}

export const gcloudAccount = ({ client }: Context): Promise<string> =>
  client.run("gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=value(account)");

export async function gcloudLogin(context: Context): Promise<Finding> {
  const account = await gcloudAccount(context);
  return account === "" ? missing("not logged in", "gcloud auth login") : ok(account);
}

export const pulumiLogin = ({ client }: Context): Promise<Finding> =>
  client.run("gcloud", "auth", "application-default", "print-access-token").then(
    () => ok("application-default credentials"),
    () => missing("no application-default credentials", "gcloud auth application-default login"),
  );

export async function version(name: keyof typeof TOOLS, client: CloudClient): Promise<Finding> {
  const [printVersion, oldest, install] = TOOLS[name];
  try {
    const found = /\d+\.\d+\.\d+/.exec(await client.run(name, printVersion))?.[0] ?? "0.0.0";
    const isOld = found.localeCompare(oldest, undefined, { numeric: true }) < 0;
    // Another major version of the pulumi command does not work with this SDK.
    const isOther = name === "pulumi" && found.split(".")[0] !== oldest.split(".")[0];
    return isOld || isOther ? missing(`${found}; needs ${oldest} or later`, install) : ok(found);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return missing("not installed", install);
  }
}
