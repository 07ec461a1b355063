export interface Finding {
  /** Unknown: it could not be asked, and the text says why. */
  readonly state: "ok" | "missing" | "unknown";
  readonly found: string;
  /** The commands that set it right. */
  readonly fix?: string;
}

/** Something that a deployment needs. */
export interface Check {
  readonly name: string;
  /** Checks that must be ok before this one is asked; they stand before it. */
  readonly after: readonly string[];
  /** False where a deployment can begin without it, or makes it. */
  readonly blocks: boolean;
  readonly ask: () => Promise<Finding>;
}

export const ok = (found: string): Finding => ({ state: "ok", found });
export const missing = (found: string, fix: string): Finding => ({ state: "missing", found, fix });

/** What a deployment can begin without, or makes. */
const LATER = ["gh", "APIs", "quota", "state"];
export const check = (name: string, after: readonly string[], ask: Check["ask"]): Check => ({
  ...{ name, after, ask, blocks: !LATER.includes(name) },
});
