"""Imports the DAG of AIRFLOW_HOME, asks its parts without a scheduler, and prints what it found as JSON.

check_dag.py tells errors, warnings and what the DAG is; check_dag.py RUN_ID subscribes to the events of a run.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from airflow.models.dagbag import DagBag

NOW = datetime.now(timezone.utc)
# Already the sixth where the schedule is.
LATE = datetime(1997, 10, 5, 22, 30, tzinfo=timezone.utc)


class TaskInstance:
    """What the tasks before have left."""

    def __init__(self, run_id: str, requested: datetime = NOW) -> None:
        self.left = {"plan": {"run_id": run_id, "run_date": "1997-10-01"}, "request": requested.isoformat()}

    def xcom_pull(self, task_ids: str) -> Any:
        return self.left[task_ids]


def end_of_wait(module: Any, wait: Any, state: str | None, error: str, requested: datetime = NOW) -> str:
    """What becomes of the sensor when its deferral fails and the invoker tells this state."""
    module.state_of = lambda _: state and {"state": state, "error": None, "steps": []}
    try:
        context = {"ti": TaskInstance("clv-1", requested)}
        return str(wait.resume_execution("__fail__", {"error": error}, context)["status"])
    except BaseException as thrown:  # deferring is thrown too
        return type(thrown).__name__


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
            "run_id": module.run_id_of("1997-10-01", "scheduled__1997-10-01 é", 2),
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
