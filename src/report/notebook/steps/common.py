# %% [markdown] load-text
# ## Load the run
#
# Every statistic is a table in `stats/`, as Parquet and as CSV, one row per number; `summary.json` holds the headline
# rows, `trace/` the routing itself. A row belongs to what its keys say (layer, category, token id ...); a key that it
# does not have means "over all".

# %% load
import json

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.ticker import LogLocator, PercentFormatter

pl.Config(tbl_rows=40, tbl_cols=20, fmt_str_lengths=60, float_precision=4, tbl_hide_dataframe_shape=True)
plt.rcParams.update({"figure.dpi": 72, "font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "legend.fontsize": 7})
plt.rcParams["text.parse_math"] = False  # names may hold a $

manifest = json.loads((RUN / "manifest.json").read_text(encoding="utf-8"))
summary = json.loads((RUN / "summary.json").read_text(encoding="utf-8"))
findings = pl.DataFrame(summary["findings"], infer_schema_length=None)


def table(name):
    """All rows of a statistic."""
    return pl.read_parquet(RUN / "stats" / f"{name}.parquet")


def rows(frame, **keys):
    """Rows with these keys; None: without that key. Columns that are empty in a whole table are not in its file."""
    for key, value in keys.items():
        if key in frame.columns:
            frame = frame.filter(pl.col(key).is_null() if value is None else pl.col(key) == value)
        elif value is not None:
            return frame.clear()
    return frame


def show(frame, *keys):
    """The numbers with their 95 % intervals, and what to compare them with."""
    columns = [*keys, "estimate", "low", "high", "baseline", "n", "documents"]
    return frame.select(column for column in columns if column in frame.columns)


def error_bars(frame, value="estimate", low="low", high="high"):
    """Distances to both ends of the interval; 0 where it is withheld."""
    ends = frame.select(below=pl.col(value) - pl.col(low), above=pl.col(high) - pl.col(value))
    return ends.fill_null(0).to_numpy().T.clip(0)


def panels(title, width=3.1, height=2.6, **options):
    """One panel a layer, at most three beside each other."""
    columns = min(3, len(LAYERS))
    lines = -(-len(LAYERS) // columns)
    size = (width * columns, height * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained", **options)
    figure.suptitle(title)
    for axis in axes.flat[len(LAYERS) :]:
        axis.remove()
    for layer, axis in zip(LAYERS, axes.flat):
        axis.set_title(f"layer {layer}")
    return dict(zip(LAYERS, axes.flat))


def legend_below(axis):
    """One legend for the whole figure, where it hides nothing."""
    handles, labels = axis.get_legend_handles_labels()
    axis.figure.legend(handles, labels, loc="outside lower center", ncols=4)


def log_occurrences(axis):
    """A logarithmic axis with plain numbers."""
    axis.set(xscale="log", xlabel="occurrences")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")


print(manifest["label"], f"- {summary['tokens']:,} tokens, {summary['documents']:,} documents, {findings.height:,} findings")
