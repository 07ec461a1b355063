/** Stores files by URL (file:///…, gs://bucket/…): the pipeline, step reports, fitted models. */
export interface ArtifactStore {
  /** Returns the text at the URL, or undefined when there is no file. */
  read(url: string): Promise<string | undefined>;
  /** Writes the text. Readers see the whole new text or the file as it was, never a part. */
  write(url: string, text: string): Promise<void>;
}
