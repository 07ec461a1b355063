"""Orchestrator: asks Workload for a run through Messenger, waits for its end, and checks the tables itself.

A run looks back from the day of its slot, or from the parameter run_date. Clearing a DAG run is safe: work that runs or
is done is joined, work that failed is started again. What differs between environments is in the settings file beside
this one, which the stack uploads.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
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

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = json.loads((HERE / "customer_value.json").read_text())
SCHEMA: dict[str, Any] = json.loads((HERE / "customer_value.schema.json").read_text())
jsonschema.validate(SETTINGS, SCHEMA)

PROJECT, TABLES, LIMITS = SETTINGS["project"], SETTINGS["tables"], SETTINGS["limits"]
TIME_ZONE = ZoneInfo(SETTINGS["schedule"]["time_zone"])
# What the task plan decided, in templates.
RUN_ID = "{{ ti.xcom_pull(task_ids='plan')['run_id'] }}"
RUN_DATE = "{{ ti.xcom_pull(task_ids='plan')['run_date'] }}"


# Which run


def run_date_of(dag_run: Any, params: dict[str, Any]) -> str:
    """The day that the run looks back from: as told, or the day of the schedule's slot in its time zone."""
    slot: datetime = getattr(dag_run, "logical_date", None) or dag_run.run_after
    return str(params["run_date"] or slot.astimezone(TIME_ZONE).date())


def run_id_of(run_date: str, slot: str, attempt: int) -> str:
    """The same for the same, as runIdFor of contracts/run.ts makes it."""
    key = json.dumps([run_date, slot, attempt], separators=(",", ":"), ensure_ascii=False)
    return f"clv-{run_date.replace('-', '')}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def plan_run(dag_run: Any, params: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The run of the first attempt that has not failed: cleared, a run that failed gets another job, no other does."""
    run_date = run_date_of(dag_run, params)
    for attempt in itertools.count(1):
        run_id = run_id_of(run_date, dag_run.run_id, attempt)
        known = state_of(run_id)
        if known is None or known["state"] in ("running", "succeeded"):
            logging.info("Attempt %s is run %s: %s", attempt, run_id, known and known["state"])
            return {"run_id": run_id, "run_date": run_date}
    raise AssertionError


# Workload's invoker


def ask_invoker(path: str) -> requests.Response:
    url = SETTINGS["invoker_url"]
    headers = {}
    if url.startswith("https:"):
        headers["Authorization"] = f"Bearer {id_token.fetch_id_token(Request(), url)}"
    return requests.get(url + path, headers=headers, timeout=30)


def check_health() -> None:
    ask_invoker("/healthcheck").raise_for_status()


def state_of(run_id: str) -> dict[str, Any] | None:
    """What the invoker tells of the run; None where no such run was ever launched."""
    answer = ask_invoker(f"/runs/{run_id}")
    if answer.status_code == requests.codes.not_found:
        return None
    answer.raise_for_status()
    return dict(answer.json())


# Messenger


def subscribe_to_run(ti: Any, **_: Any) -> None:
    """A subscription that hears of this run alone; should its clean-up fail, Pub/Sub ends it after a day."""
    run_id = ti.xcom_pull(task_ids="plan")["run_id"]
    PubSubHook().create_subscription(
        project_id=PROJECT,
        topic=SETTINGS["events_topic"],
        subscription=run_id,
        filter_=f'attributes.run_id = "{run_id}"',
        expiration_policy={"ttl": {"seconds": 86_400}},
        ack_deadline_secs=60,
    )


def publish_request(ti: Any, params: dict[str, Any], **_: Any) -> str:
    """Publishes the request; returns when."""
    run = ti.xcom_pull(task_ids="plan")
    request = {**run, **SETTINGS["run"], **params["run"]}
    message = {"data": json.dumps(request).encode(), "attributes": {"run_id": run["run_id"]}}
    PubSubHook().publish(project_id=PROJECT, topic=SETTINGS["requests_topic"], messages=[message])
    logging.info("Requested %s", request)
    return datetime.now(timezone.utc).isoformat()


class RunEndSensor(PubSubPullSensor):
    """Waits for the final event of the run, and fails when that tells of a failure.

    While it waits it holds no worker. Now and then (its timeout) it asks the invoker too, for an event can be lost.
    """

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        if next_method == "__fail__":  # its timeout has passed, or its trigger broke
            error = str((next_kwargs or {}).get("error"))
            next_method, next_kwargs = "execute_complete", {"event": {"status": "error", "message": error}}
        return super().resume_execution(next_method, next_kwargs, context)

    def execute(self, context: Any) -> Any:
        # A run that was joined may have ended before anybody listened.
        return self.end_or_wait(context, self.ask(context["ti"].xcom_pull(task_ids="plan")["run_id"]))

    def execute_complete(self, context: Any, event: dict[str, Any] | None = None) -> Any:
        run_id = context["ti"].xcom_pull(task_ids="plan")["run_id"]
        heard = event or {"status": "error", "message": "timeout"}
        end = self.final_event(run_id, heard["message"]) if heard["status"] == "success" else self.ask(run_id)
        if end is None and heard["status"] == "error" and "timeout" not in heard["message"].lower():
            raise AirflowException(f"Messenger can't be listened to: {heard['message']}")
        return self.end_or_wait(context, end)

    def end_or_wait(self, context: Any, end: dict[str, Any] | None) -> Any:
        """The end, if that is a success; without one waits on, by deferring, up to the time limit."""
        ti = context["ti"]
        run_id = ti.xcom_pull(task_ids="plan")["run_id"]
        if end is None:
            requested = datetime.fromisoformat(ti.xcom_pull(task_ids="request"))
            if datetime.now(timezone.utc) - requested > timedelta(seconds=LIMITS["run_seconds"]):
                known = state_of(run_id)
                raise AirflowFailException(
                    f"Run {run_id} gave no sign of its end within {LIMITS['run_seconds']} s. To the invoker it "
                    + (f"is {known['state']}." if known else "is not known: look for its request in the dead letters.")
                )
            return super().execute(context)
        if end["status"] != "succeeded":
            raise AirflowFailException(
                f"Run {run_id} {end['status']} in step {end['failed_step']}: {end['reason']} Its job: "
                f"https://console.cloud.google.com/vertex-ai/pipelines/locations/{SETTINGS['region']}"
                f"/runs/{run_id}?project={PROJECT}"
            )
        return end

    def final_event(self, run_id: str, pulled: Any) -> dict[str, Any] | None:
        """The run's event among the messages, acknowledged. Others come where filters are ignored, and are left."""
        for received in self._convert_to_received_messages(pulled):
            if received.message.attributes.get("run_id") == run_id:
                PubSubHook().acknowledge(project_id=PROJECT, subscription=run_id, messages=[received])
                return dict(json.loads(received.message.data))
        return None

    def ask(self, run_id: str) -> dict[str, Any] | None:
        """The run's end as the invoker tells it; None while it runs, or the invoker does not answer."""
        try:
            known = state_of(run_id)
        except requests.RequestException as error:
            self.log.warning("The invoker can't be asked: %s", error)
            return None
        if known is None or known["state"] == "running":
            return None
        self.log.warning("The final event of run %s was not heard: the invoker tells its end.", run_id)
        failed = [step["step"] for step in known["steps"] if step["status"] != "succeeded"]
        return {"status": known["state"], "failed_step": next(iter(failed), None), "reason": known["error"]}


# People


def tell_failure(context: Any) -> None:
    """One line that the stack's alert is raised by, and a message wherever a connection for it is set."""
    dag_run, ti = context["dag_run"], context["ti"]
    told = {
        "event": "run_failed",
        "dag_id": ti.dag_id,
        "run_date": run_date_of(dag_run, context["params"]),
        "run_id": (ti.xcom_pull(task_ids="plan") or {}).get("run_id"),
        "step": ti.task_id,
        "reason": str(context.get("exception") or "its log tells"),
        "log_url": ti.log_url,
        "what_to_do": SETTINGS["runbook_url"],
    }
    logging.error(json.dumps(told))
    title = f"{told['dag_id']}: the run of {told['run_date']} failed in {told['step']}"
    lines = [f"{name}: {value}" for name, value in told.items() if name != "event"]
    for connection, send in (("slack_default", to_slack), ("smtp_default", to_mail)):
        try:
            PubSubHook.get_connection(connection)
            send(title, lines, context)
        except AirflowNotFoundException:
            logging.info("Nobody is told over %s, which is not set.", connection)
        except Exception:
            logging.exception("Nobody could be told over %s.", connection)


def to_slack(title: str, lines: list[str], context: Any) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    SlackWebhookNotifier(text="\n".join([title, *lines])).notify(context)


def to_mail(title: str, lines: list[str], context: Any) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    if SETTINGS["notification_emails"]:
        # Told, because version 2.1.1 of the notifier, which Airflow 2.10.5 has, asks its hook for it too early.
        sender = PubSubHook.get_connection("smtp_default").extra_dejson.get("from_email")
        body = "<br>".join(map(html.escape, lines))
        SmtpNotifier(SETTINGS["notification_emails"], sender, title, body).notify(context)


# The warehouse


def confirm(task_id: str, condition: str, table: str, message: str, only: str = "") -> BigQueryInsertJobOperator:
    """A query that fails with the message unless the condition holds for the table's rows of the run date."""
    query = (
        f"SELECT IF({condition}, 1, ERROR('Run {RUN_ID}: {message}'))"
        f" FROM `{table}` WHERE run_date = '{RUN_DATE}'{only}"
    )
    return BigQueryInsertJobOperator(
        task_id=task_id,
        project_id=PROJECT,
        location=SETTINGS["warehouse_location"],
        configuration={
            "query": {
                "query": query,
                "useLegacySql": False,
                "maximumBytesBilled": str(SETTINGS["maximum_bytes_billed"]),
            },
            "labels": {**SETTINGS["labels"], "run_id": RUN_ID},
        },
    )


with DAG(
    dag_id=SETTINGS["dag_id"],
    description="Customer value: request a run, wait for its end, check and confirm.",
    schedule=CronTriggerTimetable(SETTINGS["schedule"]["cron"], timezone=SETTINGS["schedule"]["time_zone"]),
    start_date=datetime.fromisoformat(SETTINGS["schedule"]["start_date"]).replace(tzinfo=TIME_ZONE),
    catchup=SETTINGS["schedule"]["catchup"],
    max_active_runs=SETTINGS["schedule"]["max_active_runs"],
    dagrun_timeout=timedelta(seconds=2 * LIMITS["run_seconds"]),
    default_args={
        "retries": LIMITS["retries"],
        "retry_delay": timedelta(seconds=LIMITS["retry_delay_seconds"]),
        "on_failure_callback": tell_failure,
    },
    params={
        "run_date": Param(None, type=["null", "string"], format="date", description="Unset: the slot's day."),
        # Settings of this run that differ from the stack's.
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
    confirmed = [
        confirm("confirm_rows", "COUNT(*) > 0", TABLES["mart"], "the mart has no rows of the run date."),
        confirm(
            "confirm_checks",
            "COUNT(*) > 0 AND COUNTIF(failed_rows > 0 AND severity = 'error') = 0",
            TABLES["checks"],
            "assertions failed, or none was checked.",
            f" AND run_id = '{RUN_ID}'",
        ),
        confirm(
            "confirm_champion",
            "COUNT(*) = 0",
            TABLES["mart"],
            "customers were scored by no champion.",
            f" AND model_id IS NOT NULL AND model_id NOT IN (SELECT model_id FROM `{TABLES['models']}`"
            f" WHERE run_date <= '{RUN_DATE}' AND is_champion AND sample = 'production')",
        ),
    ]
    unsubscribe = PubSubDeleteSubscriptionOperator(task_id="unsubscribe", project_id=PROJECT, subscription=RUN_ID)
    health >> plan >> subscribe >> request >> wait >> confirmed >> unsubscribe.as_teardown(setups=subscribe)
