/** Keeps files by URL (file:///…, gs://bucket/…): pipeline templates, step reports, fitted models. */
export interface ArtifactStore {
  /** The text at the URL, or undefined when there is none. */
  read(url: string): Promise<string | undefined>;
  /** Writes the text so that readers see all of it or none. */
  write(url: string, text: string): Promise<void>;
}
