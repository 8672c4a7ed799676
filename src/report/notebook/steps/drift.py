# %% [markdown] csv-text
# ## The numbers as they are
#
# `estimate` is the share of its experts that a token chooses both at `checkpoint` and at `reference`, `baseline` what two routers with these loads share by
# chance, `corrected` the share of the way from there to full agreement. The CSV holds the same rows as the Parquet file.

# %% csv
saturation = pl.read_csv(RUN / "stats" / "router_saturation.csv")
to_last = saturation.filter(pl.col("reference") == LAST)
columns = ["checkpoint", "training_tokens", "estimate", "low", "high", "baseline", "corrected", "n", "documents"]
to_last.filter(layer=LAYERS[0]).select(column for column in columns if column in saturation.columns)

# %% [markdown] saturation-text
# ## When was the routing learnt?
#
# Router saturation: how far the experts of each token are already those of the last checkpoint, over training. The dashed line
# is load-matched chance. A curve that is high early means routing that was fixed early. Bars are 95 % intervals over documents.

# %% saturation
def place(frame):
    """Training tokens where they are known for all checkpoints, else the number of the checkpoint."""
    if "training_tokens" in frame.columns and not frame["training_tokens"].has_nulls():
        size, word = (1e9, "billions") if frame["training_tokens"].max() >= 1e9 else (1e6, "millions")
        return frame["training_tokens"] / size, f"training tokens ({word})"
    return [CHECKPOINTS.index(name) for name in frame["checkpoint"]], "checkpoint"


def over_training(name, title, measured, **keys):
    """A statistic against the last checkpoint over training, by layer, with its baseline."""
    frame = rows(table(name), reference=LAST, **keys)
    frame = frame.filter(pl.col("checkpoint").is_in(CHECKPOINTS), pl.col("estimate").is_not_null())
    for layer, axis in panels(title, sharey=True).items():
        part = frame.filter(layer=layer)
        x, label = place(part)
        axis.errorbar(x, part["estimate"], error_bars(part), fmt="o-", ms=4, capsize=2, label="measured")
        axis.plot(x, part["baseline"], "C7--", label="by chance")
        axis.yaxis.set_major_formatter(PercentFormatter(1))
        axis.set(xlabel=label, ylabel=measured, ylim=(0, 1.03))
    legend_below(axis)
    plt.show()
    return frame


learnt = over_training("router_saturation", f"Router saturation: agreement with {LAST}", "share of the choices")
show(learnt, "layer", "checkpoint")

# %% [markdown] matrix-text
# ## Every checkpoint against every other
#
# Router saturation of each two. A block of high values is a time in which little changed; the table has neighbouring checkpoints
# with their intervals. Columns have the numbers of the rows.

# %% matrix
matrix = table("router_saturation")
names = CHECKPOINTS + BESIDE
for layer, axis in panels("Router saturation of each two checkpoints, %", height=2.9, sharey=True).items():
    pairs = matrix.filter(layer=layer).select("checkpoint", "reference", "estimate").iter_rows()
    values = {(one, other): value for one, other, value in pairs}
    axis.imshow([[values[one, other] for other in names] for one in names], vmin=0, vmax=1)
    for y, one in enumerate(names):
        for x, other in enumerate(names):
            shade = "white" if values[one, other] < 0.6 else "black"
            axis.text(x, y, f"{values[one, other]:.0%}".rstrip("%"), ha="center", va="center", fontsize=6, color=shade)
    axis.set_xticks(range(len(names)), range(1, len(names) + 1))
    axis.set_yticks(range(len(names)), [f"{name}  {number}" for number, name in enumerate(names, 1)])
    axis.grid(False)
plt.show()
pairs = pl.DataFrame({"checkpoint": CHECKPOINTS[:-1], "reference": CHECKPOINTS[1:]}, {"checkpoint": str, "reference": str})
neighbours = pairs.join(matrix, on=["checkpoint", "reference"], maintain_order="left")
show(neighbours, "layer", "checkpoint", "reference")

# %% [markdown] token-drift-text needs=token_drift:variant=total_variation
# ## How far did the experts of each token id move?
#
# Total variation between the expert shares of a token id at a checkpoint and at the last one: 0 no change, 1 all other experts.
# Left: mean over token ids with enough occurrences, by layer; dashed the noise floor, what another corpus of this size would
# show without any training. Right: each token id between `COMPARED` and the last checkpoint.

# %% token-drift needs=token_drift:variant=total_variation
drift = rows(table("token_drift"), view="chosen", variant="total_variation").filter(pl.col("estimate").is_not_null())
mean = rows(drift, token_id=None).filter(pl.col("checkpoint").is_in(CHECKPOINTS))
ids = drift.filter(pl.col("token_id").is_not_null(), checkpoint=COMPARED, layer=LAYER)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.1), layout="constrained")
for index, layer in enumerate(LAYERS):
    part = mean.filter(layer=layer)
    x, label = place(part)
    left.errorbar(x, part["estimate"], error_bars(part), fmt=f"C{index}o-", ms=4, capsize=2, label=f"layer {layer}")
    if "noise_floor" in part.columns:
        left.plot(x, part["noise_floor"], f"C{index}--", lw=1)
left.set(title="Mean over token ids (dashed: noise floor)", xlabel=label, ylabel="total variation (share)", ylim=0)
left.legend()
right.errorbar(ids["n"], ids["estimate"], error_bars(ids), fmt=".", ms=5, lw=0.7, label="token ids")
if "noise_floor" in ids.columns:
    right.plot(ids["n"], ids["noise_floor"], "C7.", ms=4, label="noise floor")
right.set(title=f"From {COMPARED} on, layer {LAYER}", ylabel="total variation (share)", ylim=0)
log_occurrences(right)
right.legend()
plt.show()
piece = "shown" if "shown" in ids.columns else "text"
show(ids.sort("estimate", descending=True).head(10), "layer", "checkpoint", "token_id", piece, "noise_floor")

# %% [markdown] margin-text needs=agreement_by_margin:variant=overlap
# ## Do only near-ties still flip?
#
# Agreement with the last checkpoint in tenths of the margin between the last chosen and the first rejected expert. If only
# the lowest tenths disagree, what is left is near-ties; the line of bf16 arithmetic, where there is one, shows what arithmetic alone does.

# %% margin needs=agreement_by_margin:variant=overlap
margins = rows(table("agreement_by_margin"), variant="overlap", reference=LAST)
for layer, axis in panels(f"Agreement with {LAST} by router margin", sharey=True).items():
    for name in dict.fromkeys([COMPARED, *BESIDE]):
        part = margins.filter(layer=layer, checkpoint=name).sort("quantile")
        axis.errorbar(part["quantile"] * 100, part["estimate"], error_bars(part), fmt=".-", capsize=2, label=name)
        if name == COMPARED:
            axis.plot(part["quantile"] * 100, part["baseline"], "C7--", label="by chance")
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set(xlabel="margin, percentile", ylabel="choices that agree", ylim=(0, 1.03))
legend_below(axis)
plt.show()
show(margins.filter(checkpoint=COMPARED, layer=LAYER), "layer", "checkpoint", "quantile", "bin_high")

# %% [markdown] last-change-text needs=last_change
# ## How many tokens still change their first choice?
#
# Share of the tokens whose first choice changes at least once at or after a checkpoint. Near 0 early: fixed early.
# By chance: independent routers with these loads.

# %% last-change needs=last_change
changing = over_training("last_change", "Tokens whose first choice still changes", "share of the tokens")
show(changing, "layer", "checkpoint")

# %% [markdown] beside-text needs=beside
# ## Beside the time axis
#
# Models that are not on the time axis, such as a chat-tuned one or the last checkpoint in bf16 arithmetic, against the last
# checkpoint. The distance of the bf16 point from 100 % is what arithmetic alone changes.

# %% beside needs=beside
statistics = ["router_saturation", "first_choice_agreement", "exact_set_agreement"]
beside = pl.concat([rows(table(name), reference=LAST) for name in statistics], how="diagonal")
beside = beside.filter(pl.col("checkpoint").is_in(BESIDE))
for layer, axis in panels(f"Agreement with {LAST}", sharex=True, sharey=True, height=2.2).items():
    for index, name in enumerate(BESIDE):
        part = beside.filter(layer=layer, checkpoint=name)
        y = [statistics.index(statistic) + 0.25 * (index - (len(BESIDE) - 1) / 2) for statistic in part["statistic"]]
        axis.errorbar(part["estimate"], y, xerr=error_bars(part), fmt="o", ms=4, capsize=2, label=name)
        axis.plot(part["baseline"], y, "k|", label="by chance" if index == 0 else None)
    axis.set_yticks(range(len(statistics)), [statistic.replace("_", " ") for statistic in statistics])
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set(xlabel="share of the tokens or choices", xlim=(-0.02, 1.02), ylim=(len(statistics) - 0.4, -0.6))
legend_below(axis)
plt.show()
show(beside, "statistic", "layer", "checkpoint")

# %% [markdown] trace-text
# ## From the traces themselves
#
# One row is one choice of one token. This recomputes the router saturation of `COMPARED` from two traces, the number of
# experts that both choose over the number of choices, and compares with `summary.json`. Any other question starts the same way.

# %% trace
def choices(checkpoint):
    """The chosen experts of every token; experts of other runs under the names that they were matched to."""
    folder = next(entry["trace"] for entry in manifest["checkpoints"] if entry["label"] == checkpoint)
    trace = pl.scan_parquet(RUN / folder / "trace" / "*.parquet").select("layer", "sequence", "position", "expert")
    if summary["exclude_bos"]:
        trace = trace.filter(pl.col("position") > 0)
    if manifest["match_experts"] and checkpoint != LAST:
        names = table("expert_matching").filter(pl.col("checkpoint") == checkpoint, pl.col("expert").is_not_null())
        names = names.select("layer", "expert", pl.col("other_expert").cast(pl.UInt16)).lazy()
        trace = trace.join(names, on=["layer", "expert"]).drop("expert").rename({"other_expert": "expert"})
    return trace


both = choices(COMPARED).join(choices(LAST), on=["layer", "sequence", "position", "expert"], how="semi")
shared = both.group_by("layer").len("shared").collect()
chosen = choices(LAST).group_by("layer").len("chosen").collect()
recomputed = chosen.join(shared, on="layer", how="left").fill_null(0).filter(pl.col("layer").is_in(LAYERS)).sort("layer")
recomputed = recomputed.with_columns(router_saturation=pl.col("shared") / pl.col("chosen"))
for layer, value in recomputed.select("layer", "router_saturation").iter_rows():
    keys = {"statistic": "router_saturation", "layer": layer, "checkpoint": COMPARED, "reference": LAST}
    reported = rows(findings, **keys)["estimate"].item()
    assert abs(value - reported) < 1e-9, (layer, value, reported)
print(f"{COMPARED} against {LAST}: equal to summary.json in layers {recomputed['layer'].to_list()}")
recomputed
