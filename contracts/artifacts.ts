/** Stores files by URL (file:///…, gs://bucket/…): the pipeline, step reports, fitted models. */
export interface ArtifactStore {
  /** Returns the text at the URL, or undefined when there is no file. */
  read(url: string): Promise<string | undefined>;
  /** Writes the text. Readers see the whole new text or the file as it was, never a part. */
  write(url: string, text: string): Promise<void>;
}

/** An artifact store that also holds binary files: what candidates read and write. */
export interface BinaryArtifactStore extends ArtifactStore {
  write(url: string, contents: string | Uint8Array): Promise<void>;
  /** Returns the files of a folder whose names end in the suffix, by name; none when there is no folder. */
  readFolder(url: string, suffix: string): Promise<Uint8Array[]>;
}
