# %% [markdown] csv-text
# ## The numbers as they are
#
# Dropped assignments over all assignments, by data set (null: over all). `baseline` is the mean over permutations of the choices across sequences:
# what is dropped if experts are merely popular everywhere. The CSV holds the same rows as the Parquet file.

# %% csv
ratios = pl.read_csv(RUN / "stats" / "assignment_drop_ratio.csv", infer_schema_length=None)
free = {"variable": None, "checkpoint": None, "category": None, "turn": None, "role": None, "cohort": None}
show(rows(ratios, **free), "layer", "dataset")

# %% [markdown] position-text needs=assignment_drop_ratio:variable=position_bucket
# ## Are later tokens dropped more?
#
# Dropped share of the assignments by position, with its 95 % interval over documents. An expert's queue fills up whatever the text says, so some rise is there in any order: the
# dashed line is the same text with its choices in random order. What counts is what is left above it. Grey: number of sequences that
# are long enough; where few are left the curve is about few texts. The thin line follows only those sequences that reach
# the end of the window.

# %% position needs=assignment_drop_ratio:variable=position_bucket
bucket = rows(table("assignment_drop_ratio"), variable="position_bucket", dataset=None, checkpoint=None)
for layer, axis in panels("Dropped assignments by position").items():
    part = rows(bucket, layer=layer, cohort=None).sort("position")
    fixed = bucket.filter(layer=layer, cohort="fixed").sort("position") if "cohort" in bucket.columns else part.clear()
    axis.plot(part["position"], part["estimate"], "C0-", label="all sequences")
    band = part.drop_nulls(["low", "high"])
    axis.fill_between(band["position"], band["low"], band["high"], color="C0", alpha=0.25)
    axis.plot(part["position"], part["baseline"], "C1--", label="random order")
    axis.plot(fixed["position"], fixed["estimate"], "C0:", lw=1, label="the same sequences")
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set(xlabel="position", ylabel="dropped share", ylim=0)
    count = axis.twinx()
    count.fill_between(part["position"], part["n"] / summary["bin"], step="mid", color="C7", alpha=0.2)
    count.set(ylabel="sequences", ylim=0)
    count.grid(False)
legend_below(axis)
plt.show()
show(rows(bucket, layer=LAYER, cohort=None).sort("position"), "layer", "position")

# %% [markdown] trend-text needs=drop_trend:variant=last_minus_first
# ## Last quarter minus first quarter, and what of it is left above random order
#
# Each sequence against itself, so that long and short texts do not mix. Open circles: the rise; bars across: the rise that the
# same choices show in random order; filled: what is left, with an interval of its own. Right of 0: later tokens are dropped more.

# %% trend needs=drop_trend:variant=last_minus_first
trend = rows(table("drop_trend"), checkpoint=None).filter(pl.col("estimate").is_not_null())
if "dataset" not in trend.columns:
    trend = trend.with_columns(dataset=pl.lit(None, pl.String))
trend = trend.with_columns(pl.col("dataset").fill_null("all"))
sets = ["all", *DATASETS]
for layer, axis in panels("Last quarter minus first quarter of each sequence", height=0.5 + 0.45 * len(sets), sharey=True).items():
    for variant, style, shift in [("last_minus_first", "C0o", -0.15), ("last_minus_first_excess", "C3o", 0.15)]:
        part = trend.filter(pl.col("dataset").is_in(sets), layer=layer, variant=variant)
        y = [sets.index(name) + shift for name in part["dataset"]]
        fill = {"mfc": "white"} if variant == "last_minus_first" else {}
        label = "rise" if variant == "last_minus_first" else "above random order"
        axis.errorbar(part["estimate"] * 100, y, xerr=error_bars(part) * 100, fmt=style, ms=4, capsize=2, label=label, **fill)
        if variant == "last_minus_first":
            axis.plot(part["baseline"] * 100, y, "k|", ms=9, label="random order")
    axis.axvline(0, color="k", lw=0.8)
    axis.set_yticks(range(len(sets)), sets)
    axis.set(xlabel="percentage points", ylim=(len(sets) - 0.5, -0.5))
legend_below(axis)
plt.show()
show(trend.filter(pl.col("variant").str.starts_with("last_minus_first")), "layer", "dataset", "variant")

# %% [markdown] role-text needs=assignment_drop_ratio:role
# ## Who is dropped: roles and turns
#
# Dashes: the same tokens with the choices of each sequence in random order, which leaves what a text asks for and takes away
# when. A message that stands later meets fuller queues in any order.

# %% role needs=assignment_drop_ratio:role
spoken = rows(table("assignment_drop_ratio"), variable=None, dataset=None, checkpoint=None, category=None)
spoken = spoken.filter(pl.col("role").is_not_null() | pl.col("turn").is_not_null(), pl.col("estimate").is_not_null())
message = pl.coalesce(pl.col("role"), pl.format("turn {}", "turn")) if "turn" in spoken.columns else pl.col("role")
spoken = spoken.with_columns(message=message)
messages = spoken["message"].unique(maintain_order=True).to_list()[:14]
for layer, axis in panels("Dropped assignments by role and turn", sharey=True, height=0.7 + 0.22 * len(messages)).items():
    part = spoken.filter(pl.col("message").is_in(messages), layer=layer)
    y = [messages.index(name) for name in part["message"]]
    axis.barh(y, part["estimate"], 0.7, xerr=error_bars(part), capsize=2)
    axis.vlines(part["baseline"], [at - 0.35 for at in y], [at + 0.35 for at in y], "k", "dashed")
    axis.set_yticks(range(len(messages)), messages)
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set(xlabel="dropped share", ylim=(len(messages) - 0.5, -0.5))
plt.show()
show(spoken.filter(pl.col("message").is_in(messages)), "layer", "message")

# %% [markdown] capacity-text needs=capacity_replay:variant=assignment_drop_ratio
# ## How much capacity would be enough?
#
# The queues filled again from the recorded choices at other capacity factors, without a forward pass: first order, because
# later layers would see other inputs. Diamonds: a real forward pass at that factor (`--exact-replay`), where there is one. Dotted line: the run's
# factor. Table: the smallest factors that drop at most 0.1, 1 and 5 %.

# %% capacity needs=capacity_replay:variant=assignment_drop_ratio
replay = rows(table("capacity_replay"), dataset=None, variable=None, grouping="run", rule=summary["capacity_rule"])
curve = replay.filter(pl.col("estimate").is_not_null(), variant="assignment_drop_ratio", priority="position")
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for index, layer in enumerate(LAYERS):
    part = curve.filter(layer=layer).sort("capacity_factor")
    axis.errorbar(part["capacity_factor"], part["estimate"], error_bars(part), fmt=f"C{index}o-", ms=3, label=f"layer {layer}")
    if (RUN / "stats" / "exact_replay.parquet").exists():
        exact = table("exact_replay").filter(layer=layer, variant="assignment_drop_ratio")
        axis.errorbar(exact["capacity_factor"], exact["estimate"], error_bars(exact), fmt=f"C{index}D", mfc="white")
if summary["capacity_factor"]:
    axis.axvline(summary["capacity_factor"], color="k", ls=":", label="this run")
axis.yaxis.set_major_formatter(PercentFormatter(1))
axis.set(title="Replay of the recorded choices at other capacities", xlabel="capacity factor", ylabel="dropped share", ylim=0)
axis.legend()
plt.show()
show(replay.filter(pl.col("variant").str.starts_with("factor_for")), "layer", "variant")

# %% [markdown] compare-text needs=drop_difference
# ## Do the two models differ?
#
# Dropped share of the second model less that of the first on the same sequences, by data set, paired by document. Left of 0: the second drops less.

# %% compare needs=drop_difference
difference = rows(table("drop_difference"), variable=None, variant="assignment_drop_ratio", turn=None, role=None)
difference = difference.with_columns(pl.col("dataset").fill_null("all")) if "dataset" in difference.columns else difference
sets = ["all", *DATASETS]
title = f"{manifest['checkpoints'][1]['label']} less {manifest['checkpoints'][0]['label']}"
for layer, axis in panels(title, height=0.5 + 0.35 * len(sets), sharey=True).items():
    part = difference.filter(pl.col("estimate").is_not_null(), layer=layer)
    y = [sets.index(name) for name in part["dataset"]] if "dataset" in part.columns else [0] * part.height
    axis.errorbar(part["estimate"] * 100, y, xerr=error_bars(part) * 100, fmt="o", ms=4, capsize=2)
    axis.axvline(0, color="k", lw=0.8)
    axis.set_yticks(range(len(sets)), sets)
    axis.set(xlabel="percentage points", ylim=(len(sets) - 0.5, -0.5))
plt.show()
show(difference, "layer", "dataset")

# %% [markdown] trace-text
# ## From the trace itself
#
# One row is one choice of one token; `dropped` says whether it found a slot. This recomputes the dropped share over all and by
# data set, and compares with `summary.json`. Any other question starts the same way.

# %% trace
folder = RUN / manifest["checkpoints"][0]["trace"]
trace = pl.scan_parquet(folder / "trace" / "*.parquet").select("layer", "sequence", "position", "dropped")
if summary["exclude_bos"]:
    trace = trace.filter(pl.col("position") > 0)
sequences = pl.scan_parquet(folder / "sequences.parquet").select("sequence", "dataset")
trace = trace.join(sequences, on="sequence")
share = [pl.col("dropped").mean(), pl.len().alias("assignments")]
over_all = trace.group_by("layer").agg(share).with_columns(dataset=pl.lit(None, pl.String))
recomputed = pl.concat([over_all, trace.group_by("layer", "dataset").agg(share)], how="diagonal").collect()
recomputed = recomputed.filter(pl.col("layer").is_in(LAYERS)).sort("layer", "dataset")
keys = {"statistic": "assignment_drop_ratio", "variable": None, "checkpoint": None, "category": None}
reported = rows(findings, **keys, turn=None, role=None, position=None, cohort=None)
for layer, dataset, value in recomputed.select("layer", "dataset", "dropped").iter_rows():
    if dataset is None or dataset in DATASETS:
        expected = rows(reported, layer=layer, dataset=dataset)["estimate"].item()
        assert abs(value - expected) < 1e-9, (layer, dataset, value, expected)
print("equal to summary.json")
recomputed
