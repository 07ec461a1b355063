import { Storage } from "@google-cloud/storage";
import type { BinaryArtifactStore } from "../contracts/artifacts.ts";
import { UserError } from "../lib/user-error.ts";
import { withRetries } from "./retry.ts";

/** The artifact store in Cloud Storage: gs://bucket/path. STORAGE_ENDPOINT is the URL of an emulator. */
export class CloudStorageArtifacts implements BinaryArtifactStore {
  readonly #storage: Storage;

  constructor(storage = newClient()) {
    this.#storage = storage;
  }

  async read(url: string): Promise<string | undefined> {
    const file = this.#file(url);
    try {
      const [contents] = await withRetries(() => file.download());
      return contents.toString();
    } catch (error) {
      if ((error as { code?: number }).code === 404) return undefined;
      throw error;
    }
  }

  async write(url: string, contents: string | Uint8Array): Promise<void> {
    const file = this.#file(url);
    await withRetries(() => file.save(contents, { resumable: false }));
  }

  async readFolder(url: string, suffix: string): Promise<Uint8Array[]> {
    const { bucket, name } = this.#file(`${url}/`);
    const [files] = await withRetries(() => bucket.getFiles({ prefix: name }));
    const chosen = files.filter((file) => file.name.endsWith(suffix));
    return await Promise.all(chosen.map(async (file) => (await withRetries(() => file.download()))[0]));
  }

  #file(url: string) {
    const parts = /^gs:\/\/([^/]+)\/(.+)$/.exec(url);
    if (parts === null)
      throw new UserError(`${url} is not a file in Cloud Storage; allowed is gs://bucket/path.`);
    return this.#storage.bucket(parts[1]!).file(parts[2]!);
  }
}

/** STORAGE_EMULATOR_HOST, which the client reads itself, has another path for uploads than for all other requests. */
function newClient(): Storage {
  const endpoint = process.env.STORAGE_ENDPOINT;
  return new Storage(endpoint === undefined ? {} : { apiEndpoint: endpoint });
}
