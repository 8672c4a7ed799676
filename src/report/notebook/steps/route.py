# %% [markdown] csv-text needs=mutual_information:variable=token
# ## The numbers as they are
#
# `estimate` is what was counted, `baseline` the same after shuffling (what chance alone gives), `explained` the share
# of what can be explained: (estimate - baseline) / (ceiling - baseline). The CSV holds the same rows as the Parquet file.

# %% csv needs=mutual_information:variable=token
information = pl.read_csv(RUN / "stats" / "mutual_information.csv")
columns = ["layer", "variable", "variant", "estimate", "low", "high", "baseline", "baseline_kind", "explained", "n", "unit"]
rows(information, view="chosen").select(column for column in columns if column in information.columns)

# %% [markdown] mutual-information-text needs=mutual_information:explained
# ## Does the token id decide the expert?
#
# How much of what can be explained of the expert does each variable explain? 100 %: it decides alone; 0 %: no more than chance.
# Shares of different variables overlap and do not add up. Position is compared with positions moved within each sequence.
# Bars are 95 % intervals over documents.

# %% mutual-information needs=mutual_information:explained
def explained(name):
    """One row per layer and variable; position with the stricter of its two baselines."""
    frame = rows(table(name), view="chosen").filter(pl.col("explained").is_not_null())
    by_position = pl.col("variable").str.starts_with("position")
    if "variant" not in frame.columns:
        return frame.filter(~by_position)
    moved = pl.col("variant") == "within_sequence_shift"
    return frame.filter(pl.when(by_position).then(moved.fill_null(False)).otherwise(pl.col("variant").is_null()))


def draw_explained(frame, title, label):
    variables = frame["variable"].unique(maintain_order=True).to_list()
    figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
    for index, layer in enumerate(LAYERS):
        part = frame.filter(layer=layer)
        places = [variables.index(name) + 0.8 * ((index + 0.5) / len(LAYERS) - 0.5) for name in part["variable"]]
        ends = error_bars(part, "explained", "explained_low", "explained_high")
        axis.bar(places, part["explained"], 0.75 / len(LAYERS), yerr=ends, capsize=2, label=f"layer {layer}")
    axis.set_xticks(range(len(variables)), [name.replace("_", " ") for name in variables])
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set(title=title, ylabel=label)
    axis.legend()
    plt.show()


alone = explained("mutual_information")
draw_explained(alone, "What each variable tells about the expert", "share of what can be explained")
alone.select("layer", "variable", "explained", "explained_low", "explained_high", "n", "documents")

# %% [markdown] conditional-text needs=conditional_mutual_information:explained
# ## Once the token id is known, does the context add anything?
#
# Context-independent routing would show 0 everywhere. 100 %: what the token id leaves open follows from the variable.

# %% conditional needs=conditional_mutual_information:explained
added = explained("conditional_mutual_information")
draw_explained(added, "What the context adds to the token id", "share of what the token id leaves open")
added.select("layer", "variable", "explained", "explained_low", "explained_high", "n", "documents")

# %% [markdown] share-text needs=expert_share:variable=token,expert_share:variable=category
# ## Which experts take a token id, and which a category?
#
# Share of each expert in the assignments of the most frequent token ids (left) and of the categories (right). Bright cells
# on the left and none on the right are what token-id routing looks like. Below: the largest
# deviations of a category from the expert's share over all text (`baseline`).

# %% share needs=expert_share:variable=token,expert_share:variable=category
shares = rows(table("expert_share"), layer=LAYER, view=VIEW)
frequent = rows(shares, variable="token").sort("n", "token_id", "expert", descending=[True, False, False])
categories = rows(shares, variable="category").filter(pl.col("category").is_in(CATEGORIES))
piece = "shown" if "shown" in frequent.columns else "text"
names = {piece: "token id", "category": "category"}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharex=True)
for axis, frame, key in [(axes[0], frequent.head(24 * NUM_EXPERTS), piece), (axes[1], categories, "category")]:
    name = key if key in frame.columns else "token_id"
    keys = frame.get_column("token_id" if key == piece else key).unique(maintain_order=True)
    image = axis.imshow(frame["estimate"].to_numpy().reshape(len(keys), NUM_EXPERTS), vmin=0, vmax=0.5, aspect="auto")
    axis.set_yticks(range(len(keys)), [str(word) for word in frame[name][::NUM_EXPERTS]], fontsize=6.5)
    axis.set(xlabel="expert", title=f"by {names[key]}, layer {LAYER}, {VIEW}")
    axis.grid(False)
figure.colorbar(image, ax=axes, label="share of the assignments", format=PercentFormatter(1), extend="max", shrink=0.8)
plt.show()
largest = (pl.col("estimate") - pl.col("baseline")).abs()
show(categories.sort(largest, descending=True).head(10), "layer", "view", "category", "expert")

# %% [markdown] routing-std-text needs=routing_std:variable=token
# ## How far is each token id from spreading evenly over the experts?
#
# Standard deviation of the expert shares of each token id, against how often it occurs. At the ceiling all occurrences of the
# id make the same choices. The baseline is the same with choices shuffled over the text; the noise floor what finite counts
# alone give. Few occurrences with a high value mean little near the floor, and much far above it.

# %% routing-std needs=routing_std:variable=token
deviation = rows(table("routing_std"), variable="token", view="chosen")
for layer, axis in panels("Standard deviation of the expert shares, by token id", sharey=True).items():
    part = deviation.filter(pl.col("token_id").is_not_null(), layer=layer).sort("n")
    axis.errorbar(part["n"], part["estimate"], error_bars(part), fmt=".", ms=3, lw=0.5, alpha=0.6, label="token ids")
    for column, style in [("baseline", "C1."), ("noise_floor", "C7-"), ("ceiling", "k--")]:
        if column in part.columns:
            axis.plot(part["n"], part[column], style, ms=2, lw=1, label=column.replace("_", " "))
    log_occurrences(axis)
    axis.set(ylabel="deviation (share)", ylim=0)
legend_below(axis)
plt.show()
show(rows(deviation, token_id=None), "layer", "ceiling", "noise_floor")

# %% [markdown] predictability-text needs=token_predictability
# ## Can the first choice be predicted from the token id, on unseen documents?
#
# Five folds over documents, so nothing has to be corrected for chance. Dashes: always guessing the most frequent expert.
# `token_and_previous` shows what one token of context adds; `top_k_overlap` is about all choices, not only the first.

# %% predictability needs=token_predictability
predicted = table("token_predictability").filter(pl.col("variant") != "context_gain")
predicted = predicted.filter(pl.col("estimate").is_not_null())
figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
for index, (variant,) in enumerate(predicted.select("variant").unique(maintain_order=True).iter_rows()):
    part = predicted.filter(variant=variant)
    places = [LAYERS.index(layer) + 0.25 * (index - 1) for layer in part["layer"]]
    axis.bar(places, part["estimate"], 0.23, yerr=error_bars(part), capsize=2, label=variant.replace("_", " "))
    axis.hlines(part["baseline"], [x - 0.11 for x in places], [x + 0.11 for x in places], "k", "dashed")
axis.set_xticks(range(len(LAYERS)), [f"layer {layer}" for layer in LAYERS])
axis.yaxis.set_major_formatter(PercentFormatter(1))
axis.set(title="Expert predicted on unseen documents (dashes: most frequent expert)", ylabel="share predicted", ylim=(0, 1))
legend_below(axis)
plt.show()
show(predicted, "layer", "variant")

# %% [markdown] trace-text
# ## From the trace itself
#
# One row is one choice of one token. This recomputes I(E; token id) = H(E) + H(token id) - H(E, token id), in bits, and the
# dropped share, from the routing alone, and compares with `summary.json`. Any other question starts the same way.

# %% trace
trace = pl.scan_parquet(RUN / "trace" / "*.parquet")
if summary["exclude_bos"]:
    trace = trace.filter(pl.col("position") > 0)


def entropy(assignments, *keys):
    """In bits."""
    share = assignments.group_by(*keys).len()["len"].sort() / assignments.height
    return -(share * share.log(2)).sum()


recomputed = []
for layer in LAYERS:
    assignments = trace.filter(layer=layer).select("token_id", "expert", "dropped").collect()
    for view, part in [("chosen", assignments), ("kept", assignments.filter(~pl.col("dropped")))]:
        bits = entropy(part, "expert") + entropy(part, "token_id") - entropy(part, "expert", "token_id")
        keys = {"statistic": "mutual_information", "layer": layer, "view": view, "variable": "token", "variant": None}
        reported = rows(findings, **keys)["estimate"].item()
        assert abs(bits - reported) < 1e-9, (layer, view, bits, reported)
        recomputed.append({"layer": layer, "view": view, "recomputed_bits": bits, "summary.json": reported, "n": part.height})
    print(f"layer {layer}: {assignments['dropped'].mean():.2%} of {assignments.height:,} assignments dropped")
pl.DataFrame(recomputed)
