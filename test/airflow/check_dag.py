"""Imports the DAG of AIRFLOW_HOME, calls its parts without a scheduler, and prints the results as JSON.

check_dag.py prints import errors, warnings and the parts of the DAG. check_dag.py RUN_ID also creates the subscription
of that run.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from airflow.models.dagbag import DagBag

NOW = datetime.now(timezone.utc)
# October 6 in the time zone of the schedule.
LATE = datetime(1997, 10, 5, 22, 30, tzinfo=timezone.utc)


class TaskInstance:
    """Returns the results of earlier tasks."""

    def __init__(self, run_id: str, requested: datetime = NOW) -> None:
        self.results = {"plan": {"run_id": run_id, "run_date": "1997-10-01"}, "request": requested.isoformat()}

    def xcom_pull(self, task_ids: str) -> Any:
        return self.results[task_ids]


def end_of_wait(module: Any, wait: Any, state: str | None, error: str, requested: datetime = NOW) -> str:
    """The result of the sensor, or its exception, after a failed deferral, when the invoker reports this state."""
    module.state_of = lambda _: state and {"state": state, "error": None, "steps": []}
    try:
        context = {"ti": TaskInstance("clv-1", requested)}
        return str(wait.resume_execution("__fail__", {"error": error}, context)["status"])
    except BaseException as error_raised:  # Airflow defers by an exception, too
        return type(error_raised).__name__


def main() -> None:
    bag = DagBag(include_examples=False, safe_mode=False)
    found: dict[str, Any] = {
        "errors": {file.rsplit("/", 1)[-1]: error for file, error in bag.import_errors.items()},
        "warnings": [str(warning) for warnings in bag.captured_warnings.values() for warning in warnings],
    }
    for dag in bag.dags.values():
        plan: Any = dag.get_task("plan")
        module = sys.modules[plan.python_callable.__module__]
        if sys.argv[1:]:
            module.subscribe_to_run(TaskInstance(sys.argv[1]))
        timeout = ("Trigger/execution timeout", "Trigger timeout")
        wait = dag.get_task("wait")
        found["dag"] = {
            "id": dag.dag_id,
            "max_active_runs": dag.max_active_runs,
            "catchup": dag.catchup,
            "next": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
            "callbacks": all(task.on_failure_callback for task in dag.tasks),
            "run_dates": [
                module.run_date_of(SimpleNamespace(logical_date=LATE), {"run_date": None}),
                module.run_date_of(SimpleNamespace(logical_date=None, run_after=LATE), {"run_date": None}),
                module.run_date_of(SimpleNamespace(logical_date=LATE), {"run_date": "1997-10-01"}),
            ],
            "wait": {
                "time, done": {end_of_wait(module, wait, "succeeded", error) for error in timeout}.pop(),
                "time, failed": end_of_wait(module, wait, "failed", timeout[0]),
                "time, running": {end_of_wait(module, wait, "running", error) for error in timeout}.pop(),
                "limit, running": end_of_wait(module, wait, "running", timeout[0], NOW - timedelta(days=1)),
                "broken, running": end_of_wait(module, wait, "running", "no such subscription"),
            },
        }
    print(json.dumps(found))


main()
