import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { planImage } from "../components/image-plan.ts";
import type { Program } from "../jobs/bundle.ts";
import type { Candidate } from "../jobs/candidates.ts";
import { cacheDir } from "../lib/project.ts";
import { pythonEnvironment } from "../local/runtime/python.ts";
import { installDebianPackage } from "./debian.ts";

const execute = promisify(execFile);
const project = join(import.meta.dirname, "..");
const folder = join(cacheDir, "images");

/** Debian's packages in the stand-ins: what Node needs of distroless, and a shell to build with. */
const RUNTIME = ["base-files", "libc6", "libgcc-s1", "libstdc++6", "netbase", "tzdata"];
const BUILD = [...RUNTIME, "busybox-static"];

const config = z.object({ User: z.string(), WorkingDir: z.string(), Entrypoint: z.array(z.string()) });
const npmConfig = z.object({
  userconfig: z.string(),
  globalconfig: z.string(),
  cache: z.string(),
  cafile: z.string().nullish(),
});

/** How a container runs. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A folder that the container sees at the same path. */
  readonly volume?: string;
  /** Takes the place of the image's entrypoint. */
  readonly entrypoint?: readonly string[];
}

/** An image that was built, and a container of it. */
export interface Image {
  /** As buildah prints it: 146 MB. */
  readonly size: string;
  readonly config: z.output<typeof config>;
  /** Its files and folders, sorted, without those of its base. */
  readonly added: readonly string[];
  /** Program with arguments that runs the entrypoint in the container as its user; more arguments may follow. */
  command(options?: RunOptions): string[];
}

/**
 * The project's images, built and run by Debian's buildah, without a container engine and without a registry of images:
 * the bases are stood in for by local images of their names. Layers are kept in .cache/images, so that packages are
 * installed again when the lock file changes; delete the folder to start again.
 */
export class Images {
  readonly #state = mkdtempSync(join(tmpdir(), "buildah-"));
  readonly #storage = ["--root", join(folder, "storage"), "--runroot", this.#state];

  private constructor() {}

  /** @throws Error when buildah is not there and can't be installed. */
  static async open(): Promise<Images> {
    const remedy = "Install buildah and run the tests as root, under Debian or in a container of it.";
    await installDebianPackage("buildah", "/usr/bin/buildah", remedy);
    if (process.getuid?.() !== 0) throw new Error(`Only root builds images without an engine. ${remedy}`);
    mkdirSync(folder, { recursive: true });
    return new Images();
  }

  /** Builds the image of a program or a candidate, or a stage of it. Rejects with what the build printed. */
  async build(program: Program | Candidate, stage?: string): Promise<Image> {
    const { recipe, context, argument } = planImage(program);
    const text = readFileSync(join(project, recipe), "utf8");
    const base = argument === "PROGRAM" ? await this.#nodeBases(text) : await this.#pythonBase(text);
    const name = `localhost/${program}${stage === undefined ? "" : `-${stage}`}`;
    await this.#buildah(
      ...["bud", "--layers", "--pull-never", "--build-arg", "REVISION=test"],
      ...["--build-arg", `${argument}=${program}`, "--file", join(context, recipe)],
      ...["--tag", name, ...(stage === undefined ? [] : ["--target", stage])],
      ...base.volumes,
      context,
    );
    const inBase = new Set(await this.#files(await this.#from(base.name)));
    const container = await this.#from(name);
    const { OCIv1 } = JSON.parse(await this.#buildah("inspect", "--type", "image", name));
    const image = config.partial().required({ WorkingDir: true }).parse(OCIv1.config);
    const { User = "", WorkingDir, Entrypoint = [] } = image;
    const [{ size }] = JSON.parse(await this.#buildah("images", "--json", name));
    return {
      size,
      config: { User, WorkingDir, Entrypoint },
      added: (await this.#files(container)).filter((file) => !inBase.has(file)).sort(),
      command: ({ env = {}, volume, entrypoint = Entrypoint } = {}) => [
        ...["buildah", ...this.#storage, "run", "--isolation", "chroot"],
        ...Object.entries(env).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
        ...(volume === undefined ? [] : ["--volume", `${volume}:${volume}`]),
        ...[container, "--", ...entrypoint],
      ],
    };
  }

  /** Removes the containers and what no image is made of any more; the rest stays for the next time. */
  async close(): Promise<void> {
    await this.#buildah("rm", "--all");
    await this.#buildah("rmi", "--prune", "--force");
    rmSync(this.#state, { recursive: true, force: true });
  }

  async #nodeBases(text: string): Promise<Base> {
    const name = await this.#standIn(text, "RUNTIME", RUNTIME);
    await this.#standIn(text, "BUILD", BUILD, addNode);
    return { name, volumes: await npmVolumes() };
  }

  async #pythonBase(text: string): Promise<Base> {
    const lock = join(project, "jobs/boosting/requirements.lock");
    const python = join(await pythonEnvironment("boosting", "3.11", lock), "python");
    const { stdout } = await execute(python, ["-c", "import sys; print(sys.base_prefix)"]);
    const prefix = stdout.trim();
    const libraries = await librariesOf(prefix);
    const name = await this.#standIn(text, "PYTHON", BUILD, (root) => addPython(root, prefix, libraries));
    return { name, volumes: await pipVolumes(join(prefix, "bin/python3")) };
  }

  async #buildah(...args: string[]): Promise<string> {
    const env = { ...process.env, BUILDAH_ISOLATION: "chroot" };
    const options = { cwd: project, env, maxBuffer: 2 ** 26 };
    const { stdout } = await execute("buildah", [...this.#storage, ...args], options).catch((error) => {
      throw new Error(`buildah ${args[0]} failed: ${error.stdout}${error.stderr}`, { cause: error });
    });
    return stdout.trim();
  }

  #from(name: string): Promise<string> {
    return this.#buildah("from", "--pull-never", name);
  }

  async #files(container: string): Promise<string[]> {
    const root = await this.#buildah("mount", container);
    return readdirSync(root, { recursive: true, encoding: "utf8" }).map((file) => `/${file}`);
  }

  /** Makes a local image, once, of the name that an ARG of the Dockerfile gives to a base. Returns the name. */
  async #standIn(
    dockerfile: string,
    arg: string,
    packages: readonly string[],
    add: (root: string) => void = () => {},
  ): Promise<string> {
    const name = new RegExp(`^ARG ${arg}=(.+)$`, "m").exec(dockerfile)?.[1] ?? "";
    if ((await this.#buildah("images", "--json")).includes(`"${name}"`)) return name;
    const work = mkdtempSync(join(folder, "base-"));
    try {
      const root = join(work, "root");
      await execute("apt-get", ["update"]);
      await execute("apt-get", ["download", ...packages], { cwd: work });
      for (const file of globSync(join(work, "*.deb"))) await execute("dpkg-deb", ["--extract", file, root]);
      const passwd = "root:x:0:0::/root:/bin/false\nnonroot:x:65532:65532::/home/nonroot:/bin/false\n";
      writeFileSync(join(root, "etc/passwd"), passwd);
      writeFileSync(join(root, "etc/group"), "root:x:0:\nnonroot:x:65532:\n");
      add(root);
      const container = await this.#buildah("from", "scratch");
      await this.#buildah("copy", "--quiet", container, root, "/");
      await this.#buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container);
      await this.#buildah("commit", "--quiet", "--rm", container, name);
      return name;
    } finally {
      rmSync(work, { recursive: true });
    }
  }
}

interface Base {
  readonly name: string;
  readonly volumes: readonly string[];
}

/** Adds a shell, and a Python of this machine with pip. */
function addPython(root: string, prefix: string, libraries: readonly string[]): void {
  const local = join(root, "usr/local");
  symlinkSync("busybox", join(root, "bin/sh"));
  const unused = /\/(test|tests|idlelib|tkinter|__pycache__)$|\/site-packages\/(?!pip)[^/]+$/;
  cpSync(prefix, local, { recursive: true, verbatimSymlinks: true, filter: (path) => !unused.test(path) });
  rmSync(join(local, "bin/python"), { force: true });
  symlinkSync("python3", join(local, "bin/python"));
  writeFileSync(join(local, "bin/pip"), '#!/bin/sh\nexec python -m pip "$@"\n', { mode: 0o755 });
  // Found there without the cache of ldconfig.
  for (const library of globSync(join(prefix, "lib/libpython*.so*")))
    copyFileSync(library, join(root, "lib", basename(library)));
  for (const library of libraries)
    if (!existsSync(join(root, library))) copyFileSync(library, join(root, library));
}

/** The shared libraries of this machine that the modules of a Python need. */
async function librariesOf(prefix: string): Promise<string[]> {
  const modules = globSync(join(prefix, "lib/python3*/lib-dynload/*.so"));
  const { stdout } = await execute("ldd", [join(prefix, "bin/python3"), ...modules], { maxBuffer: 2 ** 24 });
  const paths = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path]) => path!);
  return [...new Set(paths)].filter((path) => !path.startsWith(prefix));
}

/** pip in a build has the settings of pip on this machine, which do not get into the image. */
async function pipVolumes(python: string): Promise<string[]> {
  const { stdout } = await execute(python, ["-m", "pip", "config", "list"]);
  const settings = [...stdout.matchAll(/^(?:global|:env:)\.([\w-]+)='(.*)'$/gm)].map(
    ([, name = "", value = ""]) => [name, value] as const,
  );
  const file = join(folder, "pip.conf");
  const lines = new Map(settings.map(([name, value]) => [name, `${name} = ${value}`]));
  writeFileSync(file, ["[global]", ...lines.values(), ""].join("\n"));
  const paths = new Set(settings.map(([, value]) => value).filter((value) => value.startsWith("/")));
  return [
    ...["--volume", `${file}:/etc/pip.conf:ro`],
    ...[...paths].filter((path) => existsSync(path)).flatMap((path) => ["--volume", `${path}:${path}:ro`]),
  ];
}

/** Adds a shell, env, and the Node and npm that run this. */
function addNode(root: string): void {
  const { npm_execpath: npm } = process.env;
  if (npm === undefined) throw new Error("npm is not known here; run the tests by npm or npx.");
  const local = join(root, "usr/local");
  symlinkSync("busybox", join(root, "bin/sh"));
  symlinkSync("/bin/busybox", join(root, "usr/bin/env"));
  mkdirSync(join(local, "bin"), { recursive: true });
  cpSync(process.execPath, join(local, "bin/node"), { dereference: true });
  cpSync(join(dirname(npm), ".."), join(local, "lib/node_modules/npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin/npm"));
}

/** npm in a build has the settings, certificates and cache of npm on this machine, none of which gets into the image. */
async function npmVolumes(): Promise<string[]> {
  const { stdout } = await execute("npm", ["config", "list", "--long", "--json"]);
  const { userconfig, globalconfig, cache, cafile } = npmConfig.parse(JSON.parse(stdout));
  const volumes = [
    [userconfig, "/root/.npmrc:ro"],
    [globalconfig, "/usr/local/etc/npmrc:ro"],
    [cache, "/root/.npm"],
    ...(cafile ? [[cafile, `${cafile}:ro`]] : []),
  ];
  return volumes
    .filter(([outside]) => existsSync(outside!))
    .flatMap(([outside, inside]) => ["--volume", `${outside}:${inside}`]);
}
