# The image of a candidate in Python: docker build -f jobs/python.Dockerfile --build-arg CANDIDATE=boosting .
# The base is named by version; to pin it by digest, pass --build-arg PYTHON=…@sha256:…
ARG PYTHON=docker.io/library/python:3.11.14-slim-bookworm

FROM ${PYTHON}
WORKDIR /app
ARG CANDIDATE
COPY jobs/${CANDIDATE}/requirements.lock candidate/
# Only wheels, with the hashes of the lock file: nothing is compiled, and no code of a package runs.
RUN pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes -r candidate/requirements.lock
COPY jobs/job.py ./
COPY jobs/${CANDIDATE}/*.py candidate/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532
ENTRYPOINT ["python", "/app/candidate/main.py"]
ARG REVISION
LABEL org.opencontainers.image.title="${CANDIDATE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
