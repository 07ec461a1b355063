"""Orchestrator: asks Workload for a run through Messenger, waits for its end, and checks the tables itself.

What differs between environments is in the settings file beside this one, which the stack uploads.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import requests
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.models.param import Param
from airflow.providers.google.cloud.hooks.pubsub import PubSubHook
from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.providers.google.cloud.operators.pubsub import PubSubDeleteSubscriptionOperator
from airflow.providers.google.cloud.sensors.pubsub import PubSubPullSensor
from airflow.timetables.trigger import CronTriggerTimetable
from google.auth.transport.requests import Request
from google.oauth2 import id_token

try:  # Airflow 3
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.python import PythonOperator

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = json.loads((HERE / "customer_value.json").read_text())
jsonschema.validate(SETTINGS, json.loads((HERE / "customer_value.schema.json").read_text()))

PROJECT, TABLES, LIMITS = SETTINGS["project"], SETTINGS["tables"], SETTINGS["limits"]
TIME_ZONE = ZoneInfo(SETTINGS["schedule"]["time_zone"])


def run_date_of(dag_run: Any, params: dict[str, Any]) -> str:
    """The day that the run looks back from: as told, or the day of the schedule's slot in its time zone."""
    slot: datetime = getattr(dag_run, "logical_date", None) or dag_run.run_after
    return str(params.get("run_date") or slot.astimezone(TIME_ZONE).date())


def run_id_of(dag_run: Any, params: dict[str, Any]) -> str:
    """The same for the same slot and attempt, as contracts/run.ts makes it: a cleared task starts nothing twice."""
    date = run_date_of(dag_run, params)
    key = json.dumps([date, dag_run.run_id, params["attempt"]], separators=(",", ":"), ensure_ascii=False)
    return f"clv-{date.replace('-', '')}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def ask_invoker(path: str) -> requests.Response:
    url = SETTINGS["invoker_url"]
    headers = {}
    if url.startswith("https:"):
        headers["Authorization"] = f"Bearer {id_token.fetch_id_token(Request(), url)}"
    return requests.get(url + path, headers=headers, timeout=30)


def check_health() -> None:
    ask_invoker("/healthcheck").raise_for_status()


def subscribe_to_run(dag_run: Any, params: dict[str, Any], **_: Any) -> None:
    """A subscription that hears of this run alone; should its clean-up fail, Pub/Sub ends it after a day."""
    run_id = run_id_of(dag_run, params)
    PubSubHook().create_subscription(
        project_id=PROJECT,
        topic=SETTINGS["events_topic"],
        subscription=run_id,
        filter_=f'attributes.run_id = "{run_id}"',
        expiration_policy={"ttl": {"seconds": 86_400}},
        ack_deadline_secs=60,
    )


def publish_request(dag_run: Any, params: dict[str, Any], **_: Any) -> None:
    run_id = run_id_of(dag_run, params)
    told = {**SETTINGS["run"], **params["run"]}
    request = {"run_id": run_id, "run_date": run_date_of(dag_run, params), **told}
    PubSubHook().publish(
        project_id=PROJECT,
        topic=SETTINGS["requests_topic"],
        messages=[{"data": json.dumps(request).encode(), "attributes": {"run_id": run_id}}],
    )
    logging.info("Requested %s", request)


def event_of_this_run(pulled: list[Any], context: Any) -> dict[str, Any]:
    """The final event among the messages; without one the sensor fails, and is tried again."""
    run_id = run_id_of(context["dag_run"], context["params"])
    for received in pulled:
        event = json.loads(received.message.data)
        if event.get("run_id") == run_id:
            return dict(event)
    raise AirflowException(f"None of {len(pulled)} messages is of run {run_id}.")


def judge_end(dag_run: Any, params: dict[str, Any], ti: Any, **_: Any) -> None:
    """Fails unless the run succeeded: by its final event or, if that was lost, by what the invoker tells."""
    run_id = run_id_of(dag_run, params)
    event = ti.xcom_pull(task_ids="wait")
    if event is None:
        answer = ask_invoker(f"/runs/{run_id}")
        answer.raise_for_status()
        state = answer.json()
        failed = [step["step"] for step in state["steps"] if step["status"] == "failed"]
        event = {
            "status": state["state"],
            "failed_step": next(iter(failed), None),
            "reason": state["error"],
        }
    if event["status"] != "succeeded":
        raise AirflowFailException(
            f"Run {run_id} {event['status']} in step {event['failed_step']}: {event['reason']} "
            f"Its job: https://console.cloud.google.com/vertex-ai/pipelines/locations/{SETTINGS['region']}"
            f"/runs/{run_id}?project={PROJECT}"
        )


def tell_failure(context: Any) -> None:
    """One line that says it all, which the alerts and a person find by its event or run_id."""
    params, dag_run, ti = context["params"], context["dag_run"], context["task_instance"]
    logging.error(
        json.dumps(
            {
                "event": "run_failed",
                "run_id": run_id_of(dag_run, params),
                "run_date": run_date_of(dag_run, params),
                "task": ti.task_id,
                "reason": str(context.get("exception")),
                "log_url": ti.log_url,
                "what_to_do": SETTINGS["runbook_url"],
            }
        )
    )


def check(
    task_id: str, condition: str, table: str, message: str, only: str = ""
) -> BigQueryInsertJobOperator:
    """A query that fails with the message unless the condition holds for the table's rows of the run date."""
    query = (
        f"SELECT IF({condition}, 1, ERROR('Run {{{{ clv_run_id(dag_run, params) }}}}: {message}'))"
        f" FROM `{table}` WHERE run_date = '{{{{ clv_run_date(dag_run, params) }}}}'{only}"
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
            "labels": {**SETTINGS["labels"], "run_id": "{{ clv_run_id(dag_run, params) }}"},
        },
    )


with DAG(
    dag_id=SETTINGS["dag_id"],
    description="Customer value: request a run, wait for its end, check and confirm.",
    schedule=CronTriggerTimetable(SETTINGS["schedule"]["cron"], timezone=SETTINGS["schedule"]["time_zone"]),
    start_date=datetime.fromisoformat(SETTINGS["schedule"]["start_date"]).replace(tzinfo=TIME_ZONE),
    catchup=SETTINGS["schedule"]["catchup"],
    max_active_runs=1,
    dagrun_timeout=timedelta(seconds=2 * LIMITS["run_seconds"]),
    default_args={
        "retries": LIMITS["retries"],
        "retry_delay": timedelta(seconds=LIMITS["retry_delay_seconds"]),
        "email": SETTINGS["notification_emails"],
        "email_on_failure": bool(SETTINGS["notification_emails"]),
        "on_failure_callback": tell_failure,
    },
    user_defined_macros={"clv_run_id": run_id_of, "clv_run_date": run_date_of},
    render_template_as_native_obj=False,
    params={
        "run_date": Param(None, type=["null", "string"], format="date", description="Unset: the slot's day."),
        "attempt": Param(1, type="integer", minimum=1, description="Another one is another run of the date."),
        "run": Param({}, type="object", description="Settings of this run that differ from the stack's."),
    },
    tags=["customer-value", SETTINGS["environment"]],
    doc_md=__doc__,
) as dag:
    health = PythonOperator(task_id="check_health", python_callable=check_health)
    subscribe = PythonOperator(task_id="subscribe", python_callable=subscribe_to_run)
    request = PythonOperator(task_id="request", python_callable=publish_request)
    wait = PubSubPullSensor(
        task_id="wait",
        project_id=PROJECT,
        subscription="{{ clv_run_id(dag_run, params) }}",
        ack_messages=True,
        messages_callback=event_of_this_run,
        poke_interval=LIMITS["poll_seconds"],
        timeout=LIMITS["run_seconds"],
        soft_fail=True,  # a lost event is found by asking
        deferrable=True,
    )
    ended = PythonOperator(task_id="judge_end", python_callable=judge_end, trigger_rule="all_done", retries=0)
    confirm = [
        check("confirm_rows", "COUNT(*) > 0", TABLES["mart"], "the mart has no rows of the run date."),
        check(
            "confirm_checks",
            "COUNTIF(run_id = '{{ clv_run_id(dag_run, params) }}') > 0 AND COUNTIF(failed_rows > 0"
            " AND severity = 'error' AND run_id = '{{ clv_run_id(dag_run, params) }}') = 0",
            TABLES["checks"],
            "assertions failed, or none was checked.",
        ),
        check(
            "confirm_champion",
            "COUNT(*) = 0",
            TABLES["mart"],
            "customers were scored by no champion.",
            f" AND model_id IS NOT NULL AND model_id NOT IN (SELECT model_id FROM `{TABLES['models']}`"
            " WHERE run_date <= '{{ clv_run_date(dag_run, params) }}' AND is_champion AND sample = 'production')",
        ),
    ]
    unsubscribe = PubSubDeleteSubscriptionOperator(
        task_id="unsubscribe",
        project_id=PROJECT,
        subscription="{{ clv_run_id(dag_run, params) }}",
    )
    health >> subscribe >> request >> wait >> ended >> confirm >> unsubscribe.as_teardown(setups=subscribe)
