"""Runs the DAG of AIRFLOW_HOME for a slot in this process, with dag.test(): run_dag.py SLOT CONF SECONDS.

The last line of stdout is JSON: the states of the DAG run and of its tasks, and the result of the task plan. SECONDS
limits the time of a trigger, which dag.test() does not.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from importlib import import_module
from typing import Any

import airflow
from airflow.models.dagbag import DagBag

dag_module: Any
if airflow.__version__.startswith("2."):
    dag_module = import_module("airflow.models.dag")
    import_module("airflow.providers.fab.auth_manager.models")  # dag.test() queries its tables
else:
    dag_module = import_module("airflow.sdk.definitions.dag")


class Limited:
    """A trigger that ends without an event when its time has passed."""

    def __init__(self, trigger: Any, seconds: float) -> None:
        self.trigger, self.seconds = trigger, seconds

    async def run(self) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(self.seconds):
                async for event in self.trigger.run():
                    yield event
        except TimeoutError:
            return


def main(slot: str, conf: str, seconds: str) -> None:
    inline = dag_module._run_inline_trigger
    dag_module._run_inline_trigger = lambda trigger, *rest: inline(Limited(trigger, float(seconds)), *rest)
    bag = DagBag(include_examples=False, safe_mode=False)
    if bag.import_errors:
        raise SystemExit(json.dumps(bag.import_errors))
    [dag] = bag.dags.values()
    at = datetime.fromisoformat(slot)
    # Airflow 3 derives the id of the DAG run from run_after.
    is_airflow_3 = "run_after" in dag.test.__annotations__
    dates: dict[str, Any] = {"logical_date": at, "run_after": at} if is_airflow_3 else {"execution_date": at}
    run = dag.test(**dates, run_conf=json.loads(conf))
    tasks = {ti.task_id: ti for ti in run.get_task_instances()}
    print(
        json.dumps(
            {
                "state": run.state,
                "tasks": {task_id: ti.state for task_id, ti in tasks.items()},
                "plan": tasks["plan"].xcom_pull(task_ids="plan"),
            }
        )
    )


main(*sys.argv[1:])
