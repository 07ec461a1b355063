import { fileURLToPath } from "node:url";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type DagSettings, dagSettings, dagSettingsSchema } from "../contracts/dag-settings.ts";
import { Component, type StackArgs } from "./component.ts";

/** A Composer environment to make, or one that exists. */
export type OrchestratorPlace =
  | { readonly kind: "composer"; readonly imageVersion: string; readonly account: gcp.serviceaccount.Account }
  | { readonly kind: "existing-composer"; readonly dagBucket: string };

export interface OrchestratorArgs extends StackArgs {
  readonly place: OrchestratorPlace;
  /** The settings of the DAG. Parts that are known after the deployment are outputs. */
  readonly settings: { readonly [K in keyof DagSettings]: pulumi.Input<DagSettings[K]> };
}

const DAGS = new URL("../composer/dags/", import.meta.url);
/** Name of the DAG's file and of those that it reads, without their endings. */
const DAG = "customer_value";
const sourceOf = (ending: string) =>
  new pulumi.asset.FileAsset(fileURLToPath(new URL(`${DAG}.${ending}`, DAGS)));

/** Requests runs on a schedule, waits for them and checks them: an Airflow DAG in Cloud Composer. */
export class Orchestrator extends Component<OrchestratorArgs> {
  /** Bucket of the environment's DAGs. */
  readonly dagBucket: pulumi.Output<string>;

  constructor(name: string, args: OrchestratorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("Orchestrator", name, args, opts);

    const { place } = args;
    this.dagBucket =
      place.kind === "composer"
        ? // It is not known until the environment exists.
          this.#environment(place).config.dagGcsPrefix.apply((url = "") => url.replace(/^gs:\/\/|\/.*/g, ""))
        : pulumi.output(place.dagBucket);
    // The DAG last: Airflow can't import it without the files that it reads.
    const schema = this.#upload("schema.json", { content: JSON.stringify(dagSettingsSchema(), null, 2) });
    const settings = this.#upload("json", { content: this.#settings() });
    const confirmation = this.#upload("confirmation.sql", { source: sourceOf("confirmation.sql") });
    this.#upload("py", { source: sourceOf("py") }, [schema, settings, confirmation]);

    this.registerOutputs({ dagBucket: this.dagBucket });
  }

  #environment({
    imageVersion,
    account,
  }: Extract<OrchestratorPlace, { kind: "composer" }>): gcp.composer.Environment {
    const { names, labels, project, region, settings } = this.args;
    // cloud.google.com/composer/docs/composer-3/access-control#service-account: what its components need to run.
    const role = "roles/composer.worker";
    const worker = this.grant(gcp.projects.IAMMember, "worker", { project }, role, account.member);
    const args: gcp.composer.EnvironmentArgs = {
      name: names.composers.orchestrator,
      project,
      region,
      labels,
      config: {
        environmentSize: "ENVIRONMENT_SIZE_SMALL",
        nodeConfig: { serviceAccount: account.email },
        softwareConfig: {
          imageVersion,
          // Airflow variables, for other DAGs of the environment that want a run; this one has its settings file.
          envVariables: {
            AIRFLOW_VAR_CUSTOMER_VALUE_INVOKER_URL: settings.invoker_url,
            AIRFLOW_VAR_CUSTOMER_VALUE_REQUESTS_TOPIC: settings.requests_topic,
          },
          // Waiting tasks hold no worker, and a DAG that changed is seen within the minute.
          airflowConfigOverrides: {
            "operators-default_deferrable": "True",
            "scheduler-dag_dir_list_interval": "60",
          },
        },
        // Sundays, when no run is due by default: three windows of four hours are the least that Composer takes.
        maintenanceWindow: {
          startTime: "2024-01-07T00:00:00Z",
          endTime: "2024-01-07T12:00:00Z",
          recurrence: "FREQ=WEEKLY;BYDAY=SU",
        },
      },
    };
    return new gcp.composer.Environment(this.named("composer"), args, {
      ...this.child,
      dependsOn: worker,
    });
  }

  #settings(): pulumi.Output<string> {
    return pulumi
      .output(this.args.settings)
      .apply((settings) => JSON.stringify(dagSettings.parse(settings), null, 2));
  }

  #upload(
    ending: string,
    what: Pick<gcp.storage.BucketObjectArgs, "content" | "source">,
    dependsOn: pulumi.Resource[] = [],
  ): gcp.storage.BucketObject {
    return new gcp.storage.BucketObject(
      this.named(`dag-${ending.replace(".", "-")}`),
      { bucket: this.dagBucket, name: `dags/${DAG}.${ending}`, ...what },
      { ...this.child, dependsOn },
    );
  }
}
