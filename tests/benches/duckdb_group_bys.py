"""Times DuckDB on the count tables that the route statistics need, and `openmoe-analyze stats` on the same run folder.

    BENCH_RUN=/tmp/run BENCH_ROWS=100000000 cargo bench --bench trace
    python tests/benches/duckdb_group_bys.py target/release/openmoe-analyze /tmp/run --rounds 3

Both sides read the same Parquet files with the same number of threads and take turns. DuckDB only counts: no entropy, no
jackknife, and of every result only its sums leave the database. Previous tokens come from a window function, which is
faster here than joining the trace with itself.
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

# name -> key columns of `pairs`, where `rows` know the token before.
NEIGHBOURS = {
    "previous token, expert": "previous_token, expert",
    "previous token, token, expert": "previous_token, token_id, expert",
}

REPETITION = """
SELECT layer, document, count(*) AS chosen, sum((expert = previous_expert)::INT) AS kept FROM pairs
WHERE choice = 0 GROUP BY ALL
"""

CO_ACTIVATION = """
SELECT layer, document, first, second, count(*) AS chosen, sum(kept_both::INT) AS kept FROM (
  SELECT layer, document, min(expert) AS first, max(expert) AS second, NOT bool_or(dropped) AS kept_both
  FROM rows GROUP BY layer, document, sequence, position) GROUP BY ALL
"""

ROUTER = """
SELECT layer, avg({0}), quantile_cont({0}, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM router GROUP BY layer
"""


def queries():
    """Name and query; count tables are summed up, so that every group is made but none is copied into Python."""
    sums = "SELECT count(*), sum(chosen), sum(kept) FROM"
    for view, tables in [("rows", GROUP_BYS), ("pairs", NEIGHBOURS)]:
        for name, keys in tables.items():
            yield name, f"{sums} (SELECT layer, {keys}, {COUNTS} FROM {view} GROUP BY ALL)"
    yield "repetition", f"{sums} ({REPETITION})"
    yield "co-activation", f"{sums} ({CO_ACTIVATION})"
    for column in ["entropy", "margin_first", "margin_k"]:
        yield column, ROUTER.format(column)


def views(run, threads):
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
    database.execute(
        f"CREATE VIEW pairs AS SELECT *, lag(token_id) OVER (PARTITION BY {before}) AS previous_token, "
        f"lag(expert) OVER (PARTITION BY {before}) AS previous_expert FROM rows QUALIFY previous_token IS NOT NULL"
    )
    return database


def duckdb_side(run, threads):
    """Seconds by query."""
    database = views(run, threads)
    seconds = {}
    for name, query in queries():
        start = time.perf_counter()
        database.execute(query).fetchall()
        seconds[name] = time.perf_counter() - start
        print(f"  DuckDB  {name:32} {seconds[name]:8.2f} s", file=sys.stderr, flush=True)
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
    parser.add_argument("--only-duckdb", action="store_true", help="print DuckDB's seconds as JSON, in this process")
    arguments = parser.parse_args()
    if arguments.only_duckdb:
        print(json.dumps(duckdb_side(arguments.run, arguments.threads)))
        return
    own_command = [sys.executable, __file__, arguments.binary, arguments.run, "--only-duckdb"]
    own_command += ["--threads", str(arguments.threads)]
    for round_number in range(1, arguments.rounds + 1):
        output, _, duckdb_memory = measured(own_command)
        total = sum(json.loads(output).values())
        ours, our_memory = our_side(arguments.binary, arguments.run, arguments.threads, arguments.resamples)
        print(f"round {round_number}")
        print(f"  DuckDB  all                              {total:8.2f} s  peak {duckdb_memory / 2**30:.2f} GiB")
        print(f"  openmoe-analyze stats                    {ours:8.2f} s  peak {our_memory / 2**30:.2f} GiB")
        print(f"  ratio ours / DuckDB                      {ours / total:8.2f}", flush=True)


if __name__ == "__main__":
    main()
