"""Starts local-bigquery with one thread for DuckDB, with tables in memory, and with what it lacks: temporary external
tables, and queries that replace one partition.

With more threads, a query that calls a JavaScript function can deadlock: each thread needs Python's global lock, and one
can hold it while it waits for the others. Tables in memory instead of DuckLake's files make a run twice as fast; queries
of a table's past do not work.
"""

import fnmatch
import json
import os
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import duckdb
from local_bigquery.catalog import tables
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import query

connect = duckdb.connect


def connect_on_one_thread(*args, config=None, **more):
    connection = connect(*args, config={**(config or {}), "threads": 1}, **more)
    # In DuckDB 1.5.5 it makes a row of QUALIFY ROW_NUMBER() OVER (...) = 1 on an empty table.
    connection.execute("SET disabled_optimizers = 'top_n_window_elimination'")
    return connection


def attach_in_memory(connection, project_id):
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {database.quote(project_id)}")
    database._attached.add(project_id)


execute = query.execute


def execute_more(cur, project_id, job_id, config, *args, **more):
    """Parquet files at gs: URLs in the storage emulator are tables, for one job. A destination T$YYYYMMDD is a partition.

    cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery, tableDefinitions
    cloud.google.com/bigquery/docs/managing-partitioned-table-data, partition decorator
    """
    destination = config.destinationTable
    table, _, day = destination.tableId.partition("$") if destination else ("", "", "")
    if day:
        config = config.replace(destinationTable=None, writeDisposition=None)
    with tempfile.TemporaryDirectory() as folder:
        for name, definition in (config.tableDefinitions or {}).items():
            files = [copy for uri in definition.sourceUris for copy in local_copies(uri, Path(folder) / name)]
            cur.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM read_parquet({files})")
        statistics, children, result = execute(cur, project_id, job_id, config, *args, **more)
    if day:
        target = tables.reference(destination.replace(tableId=table))
        column = tables.load(*target).timePartitioning.field
        with database.writing(*target):
            cur.execute(f"DELETE FROM {tables.name(*target)} WHERE {column} = strptime('{day}', '%Y%m%d')::DATE")
            cur.execute(f"INSERT INTO {tables.name(*target)} BY NAME FROM {tables.name(*tables.reference(result))}")
    return statistics, children, result


def local_copies(uri, folder):
    """The objects that a gs: URL with one * names, as files in the folder."""
    bucket, _, pattern = uri.removeprefix("gs://").partition("/")
    objects = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{bucket}/o"
    prefix = urllib.parse.quote(pattern.split("*")[0])
    with urllib.request.urlopen(f"{objects}?prefix={prefix}") as answer:
        names = [each["name"] for each in json.load(answer).get("items", [])]
    folder.mkdir()
    copies = []
    for name in fnmatch.filter(names, pattern):
        copies.append(str(folder / f"{len(copies)}.parquet"))
        urllib.request.urlretrieve(f"{objects}/{urllib.parse.quote(name, safe='')}?alt=media", copies[-1])
    return copies


duckdb.connect = connect_on_one_thread
database._attach = attach_in_memory
database.projects = lambda: sorted(database._attached)
query.execute = execute_more
main()
