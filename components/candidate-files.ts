import type { Candidate } from "../jobs/candidates.ts";

/** A condition of a grant on a bucket: cloud.google.com/iam/docs/conditions-attribute-reference */
export interface Condition {
  readonly title: string;
  readonly description: string;
  readonly expression: string;
}

/**
 * Which objects of the artifacts' bucket candidates may use. Vertex AI keeps what a task writes in
 * runs/RUN/PROJECT_NUMBER/JOB/TASK_ID/, as Google's samples show:
 * github.com/GoogleCloudPlatform/vertex-ai-samples, custom_model_training_and_batch_prediction.ipynb
 */
export function candidateFiles(bucket: string) {
  const object = (path: string) => `resource.name.startsWith("projects/_/buckets/${bucket}/objects/${path}")`;
  const ofTask = (task: string) => `resource.name.extract("/${task}_{id}/") != ""`;
  return {
    /** For a role that reads. The right to list is on the bucket, so candidates see the names of all objects. */
    examples: (): Condition => ({
      title: "examples",
      description: "Lists objects, and reads what the step examples writes.",
      expression: `resource.type == "storage.googleapis.com/Bucket" || ${object("runs/")} && ${ofTask("examples")}`,
    }),
    /** For a role that writes: the models of a candidate, its predictions and its step report. */
    written: (name: Candidate): Condition => ({
      title: `files of ${name}`,
      description: "Reads and writes the models, the outputs and the step report of one candidate.",
      expression:
        `${object(`models/${name}-`)} || ` +
        `${object("runs/")} && (resource.name.endsWith("/steps/${name}.json") || ${ofTask(name)})`,
    }),
  };
}
