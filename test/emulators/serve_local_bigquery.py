"""Starts local-bigquery, with DuckDB on one thread.

A query that calls a JavaScript function needs Python's lock on every thread; one of them may hold it while it waits
for the others, forever.
"""

import duckdb
from local_bigquery.cli import main

connect = duckdb.connect


def connect_on_one_thread(*args, config=None, **more):
    return connect(*args, config={**(config or {}), "threads": 1}, **more)


duckdb.connect = connect_on_one_thread
main()
