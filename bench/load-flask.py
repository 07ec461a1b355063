"""The least that a service of the invoker's contract does, with Flask: for npm run bench:load."""

import base64
import json
import os
import re
import sys
import time
from datetime import date

from flask import Flask, request

app = Flask(__name__)
launched = set()
DELAY = int(os.environ["DELAY_MS"]) / 1000


@app.get("/healthcheck")
def healthcheck():
    return {"status": "ok"}


@app.post("/")
def push():
    try:
        message = request.get_json()["message"]
        run = json.loads(base64.b64decode(message["data"], validate=True))
        if not re.fullmatch(r"[a-z][a-z0-9-]{2,62}", run["run_id"]):
            raise ValueError("run_id")
        date.fromisoformat(run["run_date"])
    except (KeyError, TypeError, ValueError) as error:
        return {"status": 400, "detail": str(error)}, 400
    time.sleep(DELAY)
    created = run["run_id"] not in launched
    launched.add(run["run_id"])
    line = {"severity": "INFO", "message": "request", "run_id": run["run_id"], "created": created}
    print(json.dumps(line), file=sys.stderr)
    return "", 204
