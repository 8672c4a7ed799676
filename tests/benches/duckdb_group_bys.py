"""Times DuckDB on the count tables that the route statistics need, and `openmoe-analyze stats` on the same run folder.

    BENCH_RUN=/tmp/run BENCH_ROWS=100000000 cargo bench --bench trace
    python tests/benches/duckdb_group_bys.py target/release/openmoe-analyze /tmp/run --rounds 3

Both sides read the same Parquet files with the same number of threads and take turns. DuckDB only counts: no entropy,
no jackknife, no table is written. Its trace has no previous token, so that the queries which need one join the trace with
itself by (layer, sequence, position); `--window` takes a window function instead.
"""

import argparse
import json
import os
import subprocess
import sys
import time

COUNTS = "count(*) AS chosen, sum((NOT dropped)::INT) AS kept"

# name -> key columns of `rows`, a view of the trace with document and category.
GROUP_BYS = {
    "expert": "expert",
    "document, expert": "document, expert",
    "category, expert": "category, expert",
    "position, expert": "position, expert",
    "token, expert": "token_id, expert",
    "token, category, expert": "token_id, category, expert",
    "token, position bucket, expert": "token_id, position // 64, expert",
    "token, document, expert": "token_id, document, expert",
}

# name -> select over `pairs`, a view with one row per occurrence: its two choices, and those of the token before.
NEIGHBOURS = {
    "previous token, expert": "SELECT layer, previous_token, expert, count(*), sum((NOT dropped)::INT) FROM pairs "
    "GROUP BY ALL",
    "previous token, token, expert": "SELECT layer, previous_token, token_id, expert, count(*), "
    "sum((NOT dropped)::INT) FROM pairs GROUP BY ALL",
    "repetition": "SELECT layer, document, count(*), sum((expert = previous_expert)::INT) FROM pairs "
    "WHERE choice = 0 GROUP BY ALL",
}

CO_ACTIVATION = """
SELECT layer, document, first, second, count(*), sum(kept_both::INT) FROM (
  SELECT layer, document, min(expert) AS first, max(expert) AS second, count(*) = 2 AND NOT bool_or(dropped) AS kept_both
  FROM rows GROUP BY layer, document, sequence, position) GROUP BY ALL
"""

ROUTER = """
SELECT layer, avg({0}), quantile_cont({0}, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM router GROUP BY layer
"""


def queries():
    for name, keys in GROUP_BYS.items():
        yield name, f"SELECT layer, {keys}, {COUNTS} FROM rows GROUP BY ALL"
    yield from NEIGHBOURS.items()
    yield "co-activation", CO_ACTIVATION
    for column in ["entropy", "margin_first", "margin_k"]:
        yield column, ROUTER.format(column)


def views(run, threads, window):
    """Connects, and lays the views over the files of the run; nothing is read yet."""
    import duckdb

    database = duckdb.connect()
    database.execute(f"SET threads = {threads}; SET preserve_insertion_order = false; SET enable_progress_bar = false")
    database.execute(f"CREATE VIEW router AS FROM '{run}/router/*.parquet'")
    database.execute(f"CREATE VIEW trace AS FROM '{run}/trace/*.parquet'")
    # Names become numbers once, as they do on our side.
    database.execute(
        f"CREATE TABLE sequences AS SELECT sequence, dense_rank() OVER (ORDER BY document)::UINTEGER AS document, "
        f"dense_rank() OVER (ORDER BY category)::USMALLINT AS category FROM '{run}/sequences.parquet'"
    )
    database.execute("CREATE VIEW rows AS FROM trace JOIN sequences USING (sequence)")
    before = "layer, sequence, choice ORDER BY position"
    by_window = (
        f"SELECT *, lag(token_id) OVER (PARTITION BY {before}) AS previous_token, "
        f"lag(expert) OVER (PARTITION BY {before}) AS previous_expert FROM rows QUALIFY previous_token IS NOT NULL"
    )
    by_join = (
        "SELECT now.*, past.token_id AS previous_token, past.expert AS previous_expert FROM rows AS now JOIN trace AS past "
        "ON now.layer = past.layer AND now.sequence = past.sequence AND now.choice = past.choice "
        "AND now.position = past.position + 1"
    )
    database.execute(f"CREATE VIEW pairs AS {by_window if window else by_join}")
    return database


def duckdb_side(run, threads, window):
    """Seconds by query. Every result is computed in full and counted, so that none of it is copied into Python."""
    database = views(run, threads, window)
    seconds = {}
    for name, query in queries():
        start = time.perf_counter()
        database.execute(f"CREATE OR REPLACE TEMP TABLE result AS {query}")
        seconds[name] = time.perf_counter() - start
    return seconds


def measured(command):
    """Runs a command; its standard output, wall seconds and peak memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed with status {status}")
    return output, time.perf_counter() - start, usage.ru_maxrss * 1024


def our_side(binary, run, threads, resamples):
    command = [binary, "stats", run, "--resamples", str(resamples), "--permutations", "0", "--threads", str(threads)]
    _, _, memory = measured([*command, "--quiet"])
    with open(os.path.join(run, "manifest.json")) as manifest:
        return json.load(manifest)["statistics_seconds"], memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=0, help="of ours (DuckDB resamples nothing)")
    parser.add_argument("--window", action="store_true", help="previous token by window function")
    parser.add_argument("--only-duckdb", action="store_true", help="print DuckDB's seconds as JSON, in this process")
    arguments = parser.parse_args()
    if arguments.only_duckdb:
        print(json.dumps(duckdb_side(arguments.run, arguments.threads, arguments.window)))
        return
    own_command = [sys.executable, __file__, arguments.binary, arguments.run, "--only-duckdb"]
    own_command += ["--threads", str(arguments.threads)] + (["--window"] if arguments.window else [])
    for round_number in range(1, arguments.rounds + 1):
        output, _, duckdb_memory = measured(own_command)
        seconds = json.loads(output)
        ours, our_memory = our_side(arguments.binary, arguments.run, arguments.threads, arguments.resamples)
        total = sum(seconds.values())
        print(f"round {round_number}")
        for name, value in seconds.items():
            print(f"  DuckDB  {name:32} {value:8.2f} s")
        print(f"  DuckDB  all                              {total:8.2f} s  peak {duckdb_memory / 2**30:.2f} GiB")
        print(f"  openmoe-analyze stats                    {ours:8.2f} s  peak {our_memory / 2**30:.2f} GiB")
        print(f"  ratio ours / DuckDB                      {ours / total:8.2f}", flush=True)


if __name__ == "__main__":
    main()
