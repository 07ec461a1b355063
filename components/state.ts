import { type Identity, shorten } from "./names.ts";

/** Where Pulumi keeps a stack's state, and the key of its secrets: made once, before the stack that is kept there. */
export interface StatePlan {
  readonly bucket: string;
  /** For `pulumi login`. */
  readonly backendUrl: string;
  readonly keyRing: string;
  readonly key: string;
  /** Full name of the key. */
  readonly keyId: string;
  /** For `pulumi stack init --secrets-provider`. */
  readonly secretsProvider: string;
}

export function planState({ app, environment, project }: Identity, region: string): StatePlan {
  // A bucket's name must be unique on Google Cloud, so it contains the project.
  const bucket = shorten(`${project}-${app}-${environment}-state`, 63);
  const keyRing = shorten(`${app}-${environment}`, 63);
  const keyId = `projects/${project}/locations/${region}/keyRings/${keyRing}/cryptoKeys/state`;
  return {
    bucket,
    backendUrl: `gs://${bucket}`,
    keyRing,
    key: "state",
    keyId,
    secretsProvider: `gcpkms://${keyId}`,
  };
}
