"""The job protocol for candidates in Python. A candidate is two functions, and one line:

    run_candidate("boosting", fit, predict)

run_candidate reads the examples, calls both functions for each sample, and writes the predictions, the model and the
step report. docs/own-model.md has the tables and their columns.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Before the packages that read it are loaded, so a candidate imports this module first. A container may use fewer CPUs than
# the machine has. Threads that wait actively take the CPUs from each other where the machine is busy.
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
os.environ.setdefault("OMP_NUM_THREADS", str(CPUS))
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def explain(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """For an error before the step starts: the packages are those of the lock file alone, not those of the notebook."""
    sys.__excepthook__(kind, error, trace)
    if isinstance(error, ModuleNotFoundError):
        remedy = "Add its package to requirements.in and compile requirements.lock again (docs/own-model.md)."
        print(json.dumps({"severity": "ERROR", "message": f"{error}. {remedy}"}))


sys.excepthook = explain

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

Model = Any
Fit = Callable[[pd.DataFrame], Model]
Predict = Callable[[Model, pd.DataFrame], pd.DataFrame]

SAMPLES = ("calibration", "production")
#: The columns of the predictions, and their types. A candidate may leave out those that can be null.
PREDICTIONS = pa.schema(
    [
        pa.field("model_id", pa.string(), nullable=False),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("weeks", pa.int64(), nullable=False),
        pa.field("expected_purchases", pa.float64()),
        pa.field("expected_value", pa.float64(), nullable=False),
        pa.field("p_active", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("reason", pa.string()),
    ]
)
#: An 80 % interval of the value. A customer has both ends or none.
INTERVAL = ["low", "high"]


class JsonLines(logging.Formatter):
    """Log lines like those of the other jobs: JSON, with the run."""

    def __init__(self, **fields: str) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        line = {"severity": record.levelname, "time": now(), **self.fields, "message": record.getMessage()}
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line)


@dataclass
class Step:
    """One step of a run: what it was asked for, and its report (StepReport in contracts/step.ts)."""

    inputs: dict[str, str]
    outputs: dict[str, str]
    output_url: str
    parameters: dict[str, Any]
    artifacts_url: str
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report = {
            "step": self.parameters["step"],
            "status": "running",
            "started_at": now(),
            "finished_at": None,
            "rows": {},
            "bytes_billed": 0,
            "warnings": [],
            "outputs": {},
            "error": None,
        }

    def write_report(self, **changes: Any) -> None:
        self.report.update(changes)
        url = f"{self.artifacts_url.rstrip('/')}/runs/{self.parameters['run_id']}/steps/{self.report['step']}.json"
        write(url, json.dumps(self.report, indent=2).encode())

    def warn(self, sentence: str) -> None:
        if sentence not in self.report["warnings"]:
            self.report["warnings"].append(sentence)
            logging.warning(sentence)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Files, by URL: file: on one machine, gs: on Google Cloud


def place_of(url: str) -> tuple[fs.FileSystem, str]:
    """The file system and the path in it."""
    filesystem, path = fs.FileSystem.from_uri(url)
    return filesystem, path


def write(url: str, data: bytes) -> None:
    """Writes a file. Readers see the whole new file or the file as it was, never a part."""
    filesystem, path = place_of(url)
    if urlsplit(url).scheme == "gs":  # an object appears when it is complete
        with filesystem.open_output_stream(path) as stream:
            stream.write(data)
        return
    filesystem.create_dir(os.path.dirname(path), recursive=True)
    temporary = f"{path}.{os.getpid()}"
    with filesystem.open_output_stream(temporary) as stream:
        stream.write(data)
    os.replace(temporary, path)


def read(url: str) -> bytes:
    filesystem, path = place_of(url)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def read_table(folder: str) -> pd.DataFrame:
    """All rows of the Parquet files of a folder."""
    filesystem, path = place_of(folder)
    return pq.read_table(path, filesystem=filesystem).to_pandas()


# The work


def run_candidate(family: str, fit: Fit, predict: Predict) -> None:
    """Runs the step by the job protocol. The process ends with 1 after a failure, which the step report explains.

    fit gets the examples whose outcomes are known, and returns the model: anything that joblib can save.
    predict gets the model and examples, and returns as many rows in the same order, with expected_value and, if the
    model has them, expected_purchases, p_active, low and high (an 80 % interval of the value) and reason (why the
    prediction is what it is, or why a figure is missing).
    """
    step = step_of(sys.argv[1:])
    # Vertex AI logs each line of stderr as an error.
    logging.root.handlers = [handler := logging.StreamHandler(sys.stdout)]
    handler.setFormatter(JsonLines(component="job", step=step.report["step"], run_id=step.parameters["run_id"]))
    logging.root.setLevel(logging.INFO)
    limit = float(os.environ["TIME_LIMIT_SECONDS"])

    def stop() -> None:
        error = f"the step took longer than its limit of {limit:g} s"
        step.write_report(status="failed", finished_at=now(), error=error)
        logging.error(step.report["error"])
        os._exit(1)

    timer = threading.Timer(limit, stop)
    timer.daemon = True
    timer.start()
    step.write_report()
    try:
        work(step, family, fit, predict)
    except BaseException as error:  # sys.exit of a candidate, too, which would look like success
        reason = f"{type(error).__name__}: {error}{place_in_candidate(error)}"
        step.write_report(status="failed", finished_at=now(), error=reason)
        logging.exception("%s failed: %s", family, reason)
        sys.exit(1)
    timer.cancel()
    step.write_report(status="succeeded", finished_at=now())
    write(step.output_url, json.dumps({"parameterValues": step.report["outputs"]}).encode())


def place_in_candidate(error: BaseException) -> str:
    """The last line of the candidate's own functions that the error, or its cause, went through."""
    errors = [error] if error.__cause__ is None else [error, error.__cause__]
    frames = [frame for each in errors for frame in traceback.extract_tb(each.__traceback__)]
    own = [each for each in frames if Path(each.filename).parent == candidate_folder() and each.name != "<module>"]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})" if own else ""


def candidate_folder() -> Path:
    return Path(sys.modules["__main__"].__file__ or "").parent


def step_of(arguments: list[str]) -> Step:
    """The step that --executor-input describes: ExecutorInput of Kubeflow's pipeline_spec.proto, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--executor-input", required=True, type=json.loads)
    given = parser.parse_args(arguments).executor_input
    uris = {
        side: {name: each["artifacts"][0]["uri"] for name, each in given[side].get("artifacts", {}).items()}
        for side in ("inputs", "outputs")
    }
    return Step(
        inputs=uris["inputs"],
        outputs=uris["outputs"],
        # Under /gcs are the buckets as Vertex AI mounts them, which only root can write.
        output_url=re.sub(r"^(file://)/gcs/", "gs://", Path(given["outputs"]["outputFile"]).as_uri()),
        parameters=given["inputs"]["parameterValues"],
        artifacts_url=os.environ["ARTIFACTS_URL"],
    )


def work(step: Step, family: str, fit: Fit, predict: Predict) -> None:
    if family != step.report["step"]:
        # In the cloud, the account of candidates may write the files of models by the names of the steps alone.
        raise ValueError(f"the model is called {family}, and the step {step.report['step']}: give both one name")
    examples = read_table(step.inputs["examples"])
    # The order of rows in files must not change a model.
    examples = examples.sort_values(["sample", "purpose", "customer_id"], kind="stable", ignore_index=True)
    champion = read_table(step.inputs["champion"])
    predictions = []
    if step.parameters.get("retrain", "yes") == "yes":
        model_id = f"{family}-{fingerprint(examples)}"
        logging.info("fits %s", model_id)
        for sample in SAMPLES:
            known = part(examples, sample, "fit")
            if len(known) == 0 or len(part(examples, sample, "predict")) == 0:
                step.warn(f"{family} has no examples to fit for the sample {sample}: the history is too short.")
                continue
            model = fit(known)
            save(step, model_id, sample, model)
            asked = part(examples, sample, "predict")
            predictions.append(predicted(step, asked, partial(predict, model)).assign(model_id=model_id))
    for model_id in champion.loc[champion["family"] == family, "model_id"]:
        logging.info("predicts with the champion %s", model_id)
        for sample in SAMPLES:
            asked = part(examples, sample, "predict")
            if len(asked) > 0:
                try:
                    model = load(step, model_id, sample)
                    given = predicted(step, asked, partial(predict, model))
                except Exception as error:
                    raise RuntimeError(
                        f"the champion {model_id} can't predict again: {type(error).__name__}: {error}. If your code changed "
                        f"since it was saved, let predict accept both models, or run once without {family}: then the "
                        "built-in model takes over"
                    ) from error
                predictions.append(given.assign(model_id=model_id))
    warn_of_longer_horizon(step, examples)
    frame = pd.concat(predictions) if predictions else PREDICTIONS.empty_table().to_pandas()
    # A model that is fitted again is the champion.
    frame = frame.drop_duplicates(["model_id", "sample", "customer_id"])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, PREDICTIONS, preserve_index=False), sink)
    write(f"{step.outputs['predictions']}/part-0.parquet", sink.getvalue())
    step.report["rows"] = {"predictions": len(frame)}


def part(examples: pd.DataFrame, sample: str, purpose: str) -> pd.DataFrame:
    chosen = (examples["sample"] == sample) & (examples["purpose"] == purpose)
    return examples[chosen].reset_index(drop=True)


def predicted(step: Step, asked: pd.DataFrame, predict: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The rows of predictions, checked: a candidate that gives less than one finite number a customer fails."""
    frame = asked[["sample", "customer_id", "weeks"]].copy()  # before predict, which may change what it gets
    given = predict(asked)
    if not isinstance(given, pd.DataFrame):
        raise TypeError(f"predict returned a {type(given).__name__}: return a DataFrame with the column expected_value")
    if len(given) != len(frame):
        raise ValueError(
            f"predict returned {len(given)} rows for {len(frame)} customers: return one for each example, in the same order"
        )
    by_id = "customer_id" in given
    ids, own = (given["customer_id"], frame["customer_id"]) if by_id else (given.index, frame.index)
    if not np.array_equal(ids, own) and (by_id or set(ids) == set(own)):
        raise ValueError("predict returned its rows in another order: return them in the order of the examples")
    figures = PREDICTIONS.names[4:]
    # A prediction can be the example with more columns.
    unused = [str(each) for each in given if each not in PREDICTIONS.names and each not in asked]
    if len(unused) > 0:
        step.warn(f"predict returned {', '.join(unused)}, which nothing uses: it can give {', '.join(figures)}.")
    for column in figures:
        if column not in given:
            if not PREDICTIONS.field(column).nullable:
                raise ValueError(f"predict returned no column {column}, only {', '.join(map(str, given))}")
            frame[column] = None
        elif column == "reason":
            frame[column] = given[column].to_numpy(dtype=object)
        else:
            try:
                values = given[column].to_numpy(dtype=float, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{column} is not a column of numbers: {error}") from error
            missing = np.isnan(values) & (column in INTERVAL)
            most = 1 if column == "p_active" else np.inf
            bad = ~missing & ~(np.isfinite(values) & (values >= 0) & (values <= most))
            if bad.any():
                allowed = "from 0 to 1" if column == "p_active" else "from 0 up"
                example = f"{values[bad][0]} of customer {frame['customer_id'][bad].iloc[0]}"
                raise ValueError(f"{column} of {bad.sum()} customers is not a number {allowed}, for example {example}")
            frame[column] = values
    low, high = (frame[column].to_numpy(dtype=float) for column in INTERVAL)
    bad = ~(low <= high) & ~(np.isnan(low) & np.isnan(high))
    if bad.any():
        raise ValueError(
            f"the interval of {bad.sum()} customers is wrong, for example low {low[bad][0]} and high {high[bad][0]}: "
            "give both with low <= high, or neither"
        )
    return frame


def warn_of_longer_horizon(step: Step, examples: pd.DataFrame) -> None:
    known, horizon = (part(examples, "production", purpose)["weeks"].max() for purpose in ("fit", "predict"))
    if known < horizon:
        step.warn(
            f"{step.report['step']} knows outcomes of {known} weeks, and predicts {horizon}: the history is too short for "
            "more. Look at the back-test of an earlier run date before you use the predictions, or shorten the horizon."
        )


def fingerprint(examples: pd.DataFrame) -> str:
    """Equal examples and equal code give equal models, and those have one id."""
    digest = hashlib.sha256(pd.util.hash_pandas_object(examples, index=False).to_numpy().tobytes())
    folder = candidate_folder()
    for source in [Path(__file__), *sorted(folder.glob("*.py")), folder / "requirements.lock"]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def files_of(step: Step, model_id: str, sample: str) -> str:
    """They are not in the folder of the run, so that a champion outlives the run that made it."""
    return f"{step.artifacts_url.rstrip('/')}/models/{model_id}/{sample}.joblib"


def save(step: Step, model_id: str, sample: str, model: Model) -> None:
    sink = io.BytesIO()
    joblib.dump(model, sink)
    write(files_of(step, model_id, sample), sink.getvalue())


def load(step: Step, model_id: str, sample: str) -> Model:
    return joblib.load(io.BytesIO(read(files_of(step, model_id, sample))))
