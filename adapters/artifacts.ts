import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ArtifactStore } from "../contracts/artifacts.ts";

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
export const fileArtifacts: ArtifactStore = {
  async read(url) {
    return await readFile(fileURLToPath(url), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  },
  async write(url, text) {
    const path = fileURLToPath(url);
    await mkdir(dirname(path), { recursive: true });
    // Readers see the old file or the new one, never a part.
    const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    try {
      await writeFile(temporary, text);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
};

/**
 * The artifact store of jobs: gs: URLs in Cloud Storage, file: URLs on the file system. Jobs do not use the mount, because
 * Google does not document that a user other than root can write there, and images do not run as root.
 */
export const jobArtifacts: ArtifactStore = {
  read: async (url) => await (await storeOf(url)).read(url),
  write: async (url, text) => await (await storeOf(url)).write(url, text),
};

let cloudStorage: ArtifactStore | undefined;

/** The client of Cloud Storage takes a while to load: on one machine no job needs it. */
async function storeOf(url: string): Promise<ArtifactStore> {
  if (!url.startsWith("gs://")) return fileArtifacts;
  if (cloudStorage === undefined) {
    const { CloudStorageArtifacts } = await import("./cloud-storage.ts");
    cloudStorage ??= new CloudStorageArtifacts();
  }
  return cloudStorage;
}
