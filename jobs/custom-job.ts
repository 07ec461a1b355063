import { CANDIDATES, type Candidate } from "./candidates.ts";

/** Where custom jobs of Vertex AI run, and which account they have. */
export interface CustomJobs {
  readonly project: string;
  readonly region: string;
  /** Service account, an email address. */
  readonly serviceAccount: string;
}

/** Google's image that starts a job and waits for its end. A test runs this version of it, from PyPI. */
export const LAUNCHER = "gcr.io/ml-pipeline/google-cloud-pipeline-components:2.22.0";

const RUN_ID = "{{$.inputs.parameters['run_id']}}";
/** Seconds that a job may take longer than its own limit, which reports why it ended. */
const GRACE = 600;

/**
 * Returns the container of a step that runs a candidate as a custom job. A step of a PipelineSpec has no service account of
 * its own; a custom job has. Google documents this way as create_custom_training_job_from_component:
 * cloud.google.com/vertex-ai/docs/pipelines/customjob-component
 */
export function customJob(
  name: Candidate,
  image: string | undefined,
  env: readonly object[],
  { project, region, serviceAccount }: CustomJobs,
) {
  const { machine, timeLimitSeconds } = CANDIDATES[name];
  const job = {
    display_name: `${RUN_ID}-${name}`,
    labels: { run_id: RUN_ID, step: name },
    job_spec: {
      service_account: serviceAccount,
      scheduling: { timeout: `${timeLimitSeconds + GRACE}s` },
      worker_pool_specs: [
        {
          replica_count: 1,
          machine_spec: { machine_type: machine },
          // {{$}} is JSON, and is here in a text of JSON.
          container_spec: { image_uri: image, args: ["--executor-input", "{{$.json_escape[1]}}"], env },
        },
      ],
    },
  };
  return {
    image: LAUNCHER,
    command: ["python3", "-u", "-m", "google_cloud_pipeline_components.container.v1.custom_job.launcher"],
    args: [
      ...["--type", "CustomJob", "--payload", JSON.stringify(job)],
      ...["--project", project, "--location", region],
      ...["--gcp_resources", "{{$.outputs.parameters['gcp_resources'].output_file}}"],
    ],
  };
}
