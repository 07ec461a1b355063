"""Runs Google's launcher of custom jobs, as its image does, against an emulator: run_launcher.py ENDPOINT ARGUMENT…

Two things differ from Google Cloud: the client speaks REST with the emulator, without credentials, and the launcher asks for the
state of the job more often.
"""

import runpy
import sys
from urllib.parse import urlparse

from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform import gapic
from google.cloud.aiplatform_v1.services.job_service.transports.rest import JobServiceRestTransport
from google_cloud_pipeline_components.container.v1.gcp_launcher import job_remote_runner

endpoint = urlparse(sys.argv[1])
Client = gapic.JobServiceClient


def client(*_args: object, **_options: object) -> Client:
    host, scheme = endpoint.netloc, endpoint.scheme
    return Client(transport=JobServiceRestTransport(host=host, url_scheme=scheme, credentials=AnonymousCredentials()))


gapic.JobServiceClient = client
job_remote_runner._POLLING_INTERVAL_IN_SECONDS = 0.1
del sys.argv[1]
runpy.run_module("google_cloud_pipeline_components.container.v1.custom_job.launcher", run_name="__main__", alter_sys=True)
