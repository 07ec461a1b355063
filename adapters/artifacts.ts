import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ArtifactStore } from "../contracts/artifacts.ts";

/**
 * The path of the file at a file: or gs: URL. Vertex AI mounts the buckets that a job can read under /gcs
 * (cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system).
 */
export function artifactPath(url: string): string {
  return url.startsWith("gs://") ? `/gcs/${url.slice("gs://".length)}` : fileURLToPath(url);
}

/** The artifact store on the file system: local files, and in jobs the mounted buckets. */
export const fileArtifacts: ArtifactStore = {
  async read(url) {
    return await readFile(artifactPath(url), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  },
  async write(url, text) {
    const path = artifactPath(url);
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
