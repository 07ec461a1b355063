"""Starts local-bigquery with one thread for DuckDB.

With more threads, a query that calls a JavaScript function can deadlock: each thread needs Python's global lock, and one
can hold it while it waits for the others.
"""

import duckdb
from local_bigquery.cli import main

connect = duckdb.connect


def connect_on_one_thread(*args, config=None, **more):
    return connect(*args, config={**(config or {}), "threads": 1}, **more)


duckdb.connect = connect_on_one_thread
main()
