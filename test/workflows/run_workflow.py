"""Runs a workflow file in workflows-emulator: run_workflow.py FILE ARGUMENT. The argument is JSON, or null for none.

Every line that the workflow logs, and its end as the last line, is printed as JSON. Where the emulator differs from the
documented service, it is changed here, so that the workflow is written for the service.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
from workflows_emulator import main, render
from workflows_emulator.lib import http_utils, sys_utils
from workflows_emulator.lib.helpers import TYPE_LOOKUP
from workflows_emulator.utils import ContextDict, WorkflowError

# The service accepts an expression as the method.
del main.WORKFLOW_SCHEMA["definitions"]["args"]["properties"]["method"]["enum"]
# Expressions are Python's, which spells these literals in another way.
render.STANDARD_LIBRARY.update({"null": None, "true": True, "false": False})
TYPE_LOOKUP[ContextDict] = "map"


class LogJson:
    """The emulator logs values as JSON, and ends when one is bytes."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return json.dumps(value, default=repr, **options)

    loads = json.loads


main.json = render.json = LogJson


def render_str(value: Any, context: dict[str, Any]) -> Any:
    """The value of an expression has its own type. The emulator makes text of null and bytes."""
    if "${" not in value:
        return value
    if not (value.startswith("${") and value.endswith("}")):
        raise SyntaxError(f"An expression must be the whole value: {value}")
    result = render.run_code(value[2:-1], context)
    return json.loads(json.dumps(result)) if isinstance(result, (dict, list)) else result


render.render_str = render_str

emulated_request = http_utils.request


def request(method: str, url: str, auth: dict[str, str] | None = None, **rest: Any) -> Any:
    """Sends no Google credentials, and raises the errors that the service documents.

    The emulator supports no OIDC, and a connection that fails ends it. The service documents no null for an argument:
    "If present, must be a map".
    """
    if nulls := [name for name, value in rest.items() if value is None]:
        raise TypeError(f"{method} {url}: {', '.join(nulls)} must not be null")
    if auth is not None:
        rest["headers"] = {**rest.get("headers", {}), "Authorization": f"Bearer local-{auth['type']}"}
    try:
        return emulated_request(method, url, **rest)
    except requests.Timeout as error:
        raise WorkflowError(message=str(error), tags=["TimeoutError"]) from error
    except requests.ConnectionError as error:
        raise WorkflowError(message=str(error), tags=["ConnectionError", "ConnectionFailedError"]) from error
    except requests.HTTPError as error:
        response = error.response
        kind = response.headers.get("Content-Type", "")
        is_json, is_text = "application/json" in kind, "text/" in kind
        raise WorkflowError(
            message=f"HTTP server responded with error code {response.status_code}",
            tags=["HttpError"],
            code=response.status_code,
            headers=dict(response.headers),
            body=response.json() if is_json else response.text if is_text else response.content,
        ) from error


http_utils.request = request


def log(text: str | None = None, severity: str = "DEFAULT", json: Any = None, data: Any = None) -> None:
    print_json({"severity": severity, "payload": text if text is not None else json if json is not None else data})


sys_utils.log = log


def print_json(value: Any) -> None:
    print(json.dumps(value), flush=True)


def run(file: str, argument: str) -> None:
    workflow = main.load_workflow(file)
    try:
        print_json({"state": "SUCCEEDED", "result": main.execute_workflow(workflow, {"args": json.loads(argument)})})
    except WorkflowError as error:
        print_json({"state": "FAILED", "error": error.payload})


run(*sys.argv[1:])
