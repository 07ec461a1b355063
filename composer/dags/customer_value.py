"""Orchestrator: requests a run from Workload through Messenger, waits for its end, and checks the tables.

The run date is the parameter run_date, or the day of the schedule's slot. A DAG run for a date whose job runs or has
succeeded reuses that job; after a failure it starts another one under a new run id. The stack uploads this file with
the settings of the environment, their schema and the query that confirms a run.
"""

from __future__ import annotations

import html
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import requests
from airflow.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from airflow.providers.google.cloud.hooks.pubsub import PubSubHook
from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.providers.google.cloud.operators.pubsub import PubSubDeleteSubscriptionOperator
from airflow.providers.google.cloud.sensors.pubsub import PubSubPullSensor
from airflow.timetables.trigger import CronTriggerTimetable
from google.auth.transport.requests import Request
from google.oauth2 import id_token

try:  # Airflow 3
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.param import Param
    from airflow.operators.python import PythonOperator

DAG_FILE = Path(__file__)
SETTINGS: dict[str, Any] = json.loads(DAG_FILE.with_suffix(".json").read_text())
SCHEMA: dict[str, Any] = json.loads(DAG_FILE.with_suffix(".schema.json").read_text())
jsonschema.validate(SETTINGS, SCHEMA)
TABLES = {name: f"`{path}`" for name, path in SETTINGS["tables"].items()}
CONFIRMATION = Template(DAG_FILE.with_suffix(".confirmation.sql").read_text()).substitute(TABLES)

PROJECT, LIMITS = SETTINGS["project"], SETTINGS["limits"]
TIME_ZONE = ZoneInfo(SETTINGS["schedule"]["time_zone"])
# The result of the task plan, as templates for operators.
RUN_ID = "{{ ti.xcom_pull(task_ids='plan')['run_id'] }}"
RUN_DATE = "{{ ti.xcom_pull(task_ids='plan')['run_date'] }}"


# The run


def run_date_of(dag_run: Any, params: dict[str, Any]) -> str:
    """The parameter run_date, or the day of the schedule's slot in the schedule's time zone."""
    slot: datetime = getattr(dag_run, "logical_date", None) or dag_run.run_after
    return str(params["run_date"] or slot.astimezone(TIME_ZONE).date())


def plan_run(dag_run: Any, params: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The date's run that the invoker plans: a new one only if the last one failed, or if the parameters say so."""
    settings = {**SETTINGS["run"], **params["run"]}
    query = {**settings, "run_date": run_date_of(dag_run, params), "again": params["again"]}
    response = get_from_invoker("/plan", query)
    if response.status_code == requests.codes.bad_request:
        raise AirflowFailException(f"The invoker refuses the run. {response.text}")
    response.raise_for_status()
    logging.info("The plan is %s", response.text)
    return dict(response.json())


# Workload's invoker


def get_from_invoker(path: str, query: dict[str, Any] | None = None) -> requests.Response:
    url = SETTINGS["invoker_url"]
    headers = {}
    if url.startswith("https:"):
        headers["Authorization"] = f"Bearer {id_token.fetch_id_token(Request(), url)}"
    return requests.get(url + path, params=query, headers=headers, timeout=30)


def check_health() -> None:
    get_from_invoker("/healthcheck").raise_for_status()


def state_of(run_id: str) -> dict[str, Any] | None:
    """The run as the invoker reports it (RunState in contracts/launcher.ts); None if it was never started."""
    response = get_from_invoker(f"/runs/{run_id}")
    if response.status_code == requests.codes.not_found:
        return None
    response.raise_for_status()
    return dict(response.json())


# Messenger


def subscribe_to_run(ti: Any, **_: Any) -> None:
    """Creates a subscription to the events of this run. If unsubscribe fails, Pub/Sub deletes it after two days."""
    run_id = ti.xcom_pull(task_ids="plan")["run_id"]
    PubSubHook().create_subscription(
        project_id=PROJECT,
        topic=SETTINGS["events_topic"],
        subscription=run_id,
        filter_=f'attributes.run_id = "{run_id}"',
        # Pub/Sub refuses an expiration that is not longer than the retention, which is 7 days by default.
        message_retention_duration={"seconds": 12 * 3600},
        expiration_policy={"ttl": {"seconds": 48 * 3600}},
        ack_deadline_secs=60,
    )


def publish_request(ti: Any, **_: Any) -> str:
    """Publishes the request (RunRequest in contracts/messages.ts) and returns the time."""
    request = ti.xcom_pull(task_ids="plan")["request"]
    message = {"data": json.dumps(request).encode(), "attributes": {"run_id": request["run_id"]}}
    PubSubHook().publish(project_id=PROJECT, topic=SETTINGS["requests_topic"], messages=[message])
    logging.info("Requested %s", request)
    return datetime.now(timezone.utc).isoformat()


class RunEndSensor(PubSubPullSensor):
    """Waits for the final event of the run, and fails if the run failed.

    It defers, so it occupies no worker while it waits. Events can get lost: each time its timeout passes, it asks the
    invoker for the state of the run.
    """

    def execute(self, context: Any) -> Any:
        # A reused run may have ended before the subscription existed.
        return self.end_or_wait(context, self.end_by_invoker(context["ti"].xcom_pull(task_ids="plan")["run_id"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        if next_method == "__fail__":  # the timeout has passed, or the trigger failed
            error = str((next_kwargs or {}).get("error"))
            next_method, next_kwargs = "execute_complete", {"event": {"status": "error", "message": error}}
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        run_id = context["ti"].xcom_pull(task_ids="plan")["run_id"]
        result = event or {"status": "error", "message": "timeout"}
        if result["status"] == "success":
            return self.end_or_wait(context, self.end_by_event(run_id, result["message"]))
        end = self.end_by_invoker(run_id)
        if end is None and "timeout" not in result["message"].lower():
            raise AirflowException(f"Can't pull from subscription {run_id}: {result['message']}")
        return self.end_or_wait(context, end)

    def end_or_wait(self, context: Any, end: dict[str, Any] | None) -> Any:
        """Returns the end of a run that succeeded, fails for other ends, and defers again up to the time limit."""
        ti = context["ti"]
        run_id = ti.xcom_pull(task_ids="plan")["run_id"]
        if end is None:
            requested = datetime.fromisoformat(ti.xcom_pull(task_ids="request"))
            if datetime.now(timezone.utc) - requested > timedelta(seconds=LIMITS["run_seconds"]):
                run = state_of(run_id)
                raise AirflowFailException(
                    f"Run {run_id} did not end within {LIMITS['run_seconds']} s. "
                    + (f"Its state is {run['state']}." if run else "It never started: look in the dead letters.")
                )
            return super().execute(context)
        if end["status"] != "succeeded":
            raise AirflowFailException(
                f"Run {run_id} {end['status']} in step {end['failed_step']}: {end['reason']} Its job: "
                f"https://console.cloud.google.com/vertex-ai/pipelines/locations/{SETTINGS['region']}"
                f"/runs/{run_id}?project={PROJECT}"
            )
        return end

    def end_by_event(self, run_id: str, pulled: Any) -> dict[str, Any] | None:
        """The run's event among the messages, which it acknowledges. Emulators ignore filters: skip other runs."""
        for received in self._convert_to_received_messages(pulled):
            if received.message.attributes.get("run_id") == run_id:
                PubSubHook().acknowledge(project_id=PROJECT, subscription=run_id, messages=[received])
                return dict(json.loads(received.message.data))
        return None

    def end_by_invoker(self, run_id: str) -> dict[str, Any] | None:
        """The end of the run as the invoker reports it; None while it runs or the invoker does not answer."""
        try:
            run = state_of(run_id)
        except requests.RequestException as error:
            self.log.warning("The invoker does not answer: %s", error)
            return None
        if run is None or run["state"] not in ("succeeded", "failed", "cancelled"):
            return None
        self.log.warning("No event of run %s arrived: the invoker reports its end.", run_id)
        failed = [step["step"] for step in run["steps"] if step["status"] != "succeeded"]
        return {"status": run["state"], "failed_step": next(iter(failed), None), "reason": run["error"]}


# Alerts


def report_failure(context: Any) -> None:
    """Logs one line, which raises the stack's alert, and sends it to Slack and by mail if they are connected."""
    dag_run, ti = context["dag_run"], context["ti"]
    failure = {
        "event": "run_failed",
        "dag_id": ti.dag_id,
        "run_date": run_date_of(dag_run, context["params"]),
        "run_id": (ti.xcom_pull(task_ids="plan") or {}).get("run_id"),
        "step": ti.task_id,
        "reason": str(context.get("exception") or "see the log"),
        "log_url": ti.log_url,
        "what_to_do": SETTINGS["runbook_url"],
    }
    logging.error(json.dumps(failure))
    title = f"{failure['dag_id']}: the run of {failure['run_date']} failed in {failure['step']}"
    lines = [f"{name}: {value}" for name, value in failure.items() if name != "event"]
    for connection, send in (("slack_default", to_slack), ("smtp_default", to_mail)):
        try:
            PubSubHook.get_connection(connection)  # of any hook: the base class moved in Airflow 3
            send(title, lines, context)
        except AirflowNotFoundException:
            logging.info("No message: Airflow has no connection %s.", connection)
        except Exception:
            logging.exception("No message: connection %s failed.", connection)


def to_slack(title: str, lines: list[str], context: Any) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    SlackWebhookNotifier(text="\n".join([title, *lines])).notify(context)


def to_mail(title: str, lines: list[str], context: Any) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    if SETTINGS["notification_emails"]:
        body = "<br>".join(map(html.escape, lines))
        SmtpNotifier(to=SETTINGS["notification_emails"], subject=title, html_content=body).notify(context)


with DAG(
    dag_id=SETTINGS["dag_id"],
    description="Customer value: requests a run, waits for its end and confirms it.",
    schedule=CronTriggerTimetable(SETTINGS["schedule"]["cron"], timezone=SETTINGS["schedule"]["time_zone"]),
    start_date=datetime.fromisoformat(SETTINGS["schedule"]["start_date"]).replace(tzinfo=TIME_ZONE),
    catchup=SETTINGS["schedule"]["catchup"],
    max_active_runs=SETTINGS["schedule"]["max_active_runs"],
    dagrun_timeout=timedelta(seconds=2 * LIMITS["run_seconds"]),
    default_args={
        "retries": LIMITS["retries"],
        "retry_delay": timedelta(seconds=LIMITS["retry_delay_seconds"]),
        "on_failure_callback": report_failure,
    },
    params={
        "run_date": Param(None, type=["null", "string"], format="date", description="Default: the day of the slot."),
        "again": Param("no", enum=["no", "yes"], description="Whether to run a date again that succeeded."),
        # Settings that differ from the stack's.
        "run": Param({}, **{**SCHEMA["properties"]["run"], "required": []}),
    },
    tags=["customer-value", SETTINGS["environment"]],
    doc_md=__doc__,
) as dag:
    health = PythonOperator(task_id="check_health", python_callable=check_health)
    plan = PythonOperator(task_id="plan", python_callable=plan_run)
    subscribe = PythonOperator(task_id="subscribe", python_callable=subscribe_to_run)
    request = PythonOperator(task_id="request", python_callable=publish_request)
    wait = RunEndSensor(
        task_id="wait",
        project_id=PROJECT,
        subscription=RUN_ID,
        max_messages=100,
        poke_interval=LIMITS["poll_seconds"],
        timeout=LIMITS["ask_seconds"],
        deferrable=True,
    )
    confirm = BigQueryInsertJobOperator(
        task_id="confirm",
        project_id=PROJECT,
        location=SETTINGS["warehouse_location"],
        configuration={
            "query": {
                "query": "SELECT IF(problems IS NULL, customers, ERROR(CONCAT('Run ', @run_id, ' reports success, "
                f"but its tables do not. ', problems))) FROM ({CONFIRMATION})",
                "queryParameters": [
                    {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
                    for name, kind, value in (("run_id", "STRING", RUN_ID), ("run_date", "DATE", RUN_DATE))
                ],
                "useLegacySql": False,
                "maximumBytesBilled": str(SETTINGS["maximum_bytes_billed"]),
            },
            "labels": {**SETTINGS["labels"], "run_id": RUN_ID},
        },
    )
    unsubscribe = PubSubDeleteSubscriptionOperator(task_id="unsubscribe", project_id=PROJECT, subscription=RUN_ID)
    health >> plan >> subscribe >> request >> wait >> confirm >> unsubscribe.as_teardown(setups=subscribe)
