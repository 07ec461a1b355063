import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { BinaryArtifactStore } from "../contracts/artifacts.ts";

/** Where Vertex AI mounts buckets: cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system */
const MOUNT = "/gcs/";

/** The path of the file at a file: or gs: URL, as Vertex AI gives it to a job. */
export function artifactPath(url: string): string {
  return url.startsWith("gs://") ? `${MOUNT}${url.slice("gs://".length)}` : fileURLToPath(url);
}

/** The URL of a path that Vertex AI gives to a job: gs: below the mount, else file:. */
export function artifactUrl(path: string): string {
  return path.startsWith(MOUNT) ? `gs://${path.slice(MOUNT.length)}` : pathToFileURL(path).href;
}

/** The artifact store on the file system, for file: URLs. */
export const fileArtifacts: BinaryArtifactStore = {
  async read(url) {
    return await readFile(fileURLToPath(url), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  },
  async write(url, contents) {
    const path = fileURLToPath(url);
    await mkdir(dirname(path), { recursive: true });
    // Readers see the old file or the new one, never a part.
    const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    try {
      await writeFile(temporary, contents);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
  async readFolder(url, suffix) {
    const folder = fileURLToPath(url);
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const chosen = names.filter((name) => name.endsWith(suffix)).sort();
    return await Promise.all(chosen.map((name) => readFile(join(folder, name))));
  },
};

/**
 * The artifact store of jobs: gs: URLs in Cloud Storage, file: URLs on the file system. Jobs do not use the mount, because
 * Google does not document that a user other than root can write there, and images do not run as root.
 */
export const jobArtifacts: BinaryArtifactStore = {
  read: async (url) => await (await storeOf(url)).read(url),
  write: async (url, contents) => await (await storeOf(url)).write(url, contents),
  readFolder: async (url, suffix) => await (await storeOf(url)).readFolder(url, suffix),
};

let cloudStorage: BinaryArtifactStore | undefined;

/** The client of Cloud Storage takes a while to load: on one machine no job needs it. */
async function storeOf(url: string): Promise<BinaryArtifactStore> {
  if (!url.startsWith("gs://")) return fileArtifacts;
  if (cloudStorage === undefined) {
    const { CloudStorageArtifacts } = await import("./cloud-storage.ts");
    cloudStorage ??= new CloudStorageArtifacts();
  }
  return cloudStorage;
}
