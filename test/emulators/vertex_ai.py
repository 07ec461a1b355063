"""Vertex AI's REST interface to pipeline jobs and custom jobs, checked by Google's own protobuf.

It refuses requests with fields that PipelineJob or CustomJob does not have, and pipelines that are not a PipelineSpec of Kubeflow.
Jobs are in memory and do not run: POST /states changes their state.
"""

import json
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from google.cloud.aiplatform_v1.types import CustomJob, JobState, PipelineJob, PipelineState
from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

Job = PipelineJob.pb()
# cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs/create
JOB_ID = re.compile(r"[a-z]([a-z0-9-]{0,126}[a-z0-9])?")
PATH = re.compile(r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/pipelineJobs(/(?P<id>[^/:]+)(?P<verb>:cancel)?)?")
CUSTOM_JOBS = re.compile(r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/customJobs(/(?P<id>[^/:]+))?")
jobs: dict[str, Message] = {}


class Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def create(name: str, job_id: str, body: object) -> Job:
    if not JOB_ID.fullmatch(job_id):
        raise Refused(HTTPStatus.BAD_REQUEST, f"The job id {job_id} does not match {JOB_ID.pattern}.")
    try:
        job = json_format.ParseDict(body, Job())
        json_format.ParseDict(json_format.MessageToDict(job.pipeline_spec), PipelineSpec())
    except json_format.ParseError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    if name in jobs:
        raise Refused(HTTPStatus.CONFLICT, f"{name} already exists.")
    job.name = name
    job.state = PipelineState.PIPELINE_STATE_PENDING
    jobs[name] = job
    return job


def handle_custom_jobs(method: str, parent: str, job_id: str | None, body: object) -> dict[str, object]:
    prefix = f"{parent}/customJobs/"
    if method == "POST":
        try:
            job = json_format.ParseDict(body, CustomJob.pb()())
        except json_format.ParseError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        # Google Cloud chooses the id.
        job.name = f"{prefix}{len(jobs) + 1}"
        job.state = JobState.JOB_STATE_PENDING
        jobs[job.name] = job
        return json_format.MessageToDict(job)
    if job_id is None:
        return {"customJobs": [json_format.MessageToDict(jobs[name]) for name in jobs if name.startswith(prefix)]}
    return json_format.MessageToDict(jobs[prefix + job_id])


def handle(method: str, url: str, body: object) -> dict[str, object]:
    address = urlparse(url)
    if match := CUSTOM_JOBS.fullmatch(address.path):
        return handle_custom_jobs(method, match["parent"], match["id"], body)
    if address.path == "/states" and isinstance(body, dict):
        json_format.ParseDict(body["change"], jobs[body["name"]])
        return {}
    match = PATH.fullmatch(address.path)
    if match is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"{address.path} does not exist.")
    job_id = match["id"] or parse_qs(address.query).get("pipelineJobId", [""])[0]
    name = f"{match['parent']}/pipelineJobs/{job_id}"
    if method == "POST" and match["id"] is None:
        return json_format.MessageToDict(create(name, job_id, body))
    if name not in jobs:
        raise Refused(HTTPStatus.NOT_FOUND, f"{name} does not exist.")
    if method == "POST":
        jobs[name].state = PipelineState.PIPELINE_STATE_CANCELLED
        return {}
    return json_format.MessageToDict(jobs[name])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or "null"))

    def answer(self, body: object) -> None:
        try:
            status, answer = HTTPStatus.OK, handle(self.command, self.path, body)
        except Refused as refused:
            error = {"code": refused.status, "message": str(refused)}
            status, answer = refused.status, {"error": error}
        contents = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
