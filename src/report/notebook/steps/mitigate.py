# %% [markdown] strategies-text
# ## The numbers as they are
#
# One row of `stats/mitigation` is one number about one strategy. `estimate` is with the strategy less without, over the same tokens;
# `low` and `high` are its 95 % interval over documents. `share_of_random` is the change of the loss as a share of what random experts
# cost: the scale.

# %% strategies
numbers = pl.read_csv(RUN / "stats" / "mitigation.csv", infer_schema_length=None)
overall = numbers.filter(pl.col("only_layer").is_null(), pl.col("layer").is_null(), pl.col("exposure").is_null(), part="all")
losses = overall.filter(measure="loss")
show(losses.select("strategy", "estimate", "low", "high", "share_of_random", "share_of_hash", "coverage", "n", "documents"), "strategy")

# %% [markdown] forest-text
# ## What every strategy costs
#
# Left: all of them, with the scale. Right: the same without random experts and the hash, which are far away.

# %% forest
figure, axes = plt.subplots(1, 2, figsize=(10, 0.8 + 0.35 * losses.height), layout="constrained")
for axis, part in [(axes[0], losses), (axes[1], losses.filter(~pl.col("strategy").is_in(["random", "hash"])))]:
    y = range(part.height)
    axis.errorbar(part["estimate"], y, xerr=error_bars(part), fmt="o", ms=4, capsize=2)
    axis.axvline(0, color="k", lw=0.8)
    axis.set_yticks(y, part["strategy"])
    axis.set(xlabel="nats per token", ylim=(part.height - 0.5, -0.5))
figure.suptitle("Change of the loss of the next token")
plt.show()

# %% [markdown] position-text
# ## Where in a sequence it costs
#
# By the position of the token that the model reads. Bins double; values of too few documents for an interval are left out.

# %% position
def by_part(part):
    rows = numbers.filter(pl.col("only_layer").is_null(), pl.col("low").is_not_null(), measure="loss", part=part)
    return rows.filter(~pl.col("strategy").is_in(["random", "hash"]))


def curves(part, title):
    rows = by_part(part)
    values = rows["value"].unique(maintain_order=True).to_list()
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for strategy in rows["strategy"].unique(maintain_order=True):
        own = rows.filter(strategy=strategy)
        axis.errorbar([values.index(value) for value in own["value"]], own["estimate"], error_bars(own), fmt="o-", ms=3, capsize=2, label=strategy)
    axis.axhline(0, color="k", lw=0.8)
    axis.set_xticks(range(len(values)), values, rotation=45)
    axis.set(title=title, ylabel="nats per token")
    axis.legend()
    plt.show()


curves("position", "Change of the loss by position")

# %% [markdown] frequency-text
# ## For which token ids it costs
#
# By how often the id that the model reads occurs in the text. A table of token ids has no row for the rarest.

# %% frequency
curves("frequency", "Change of the loss by occurrences of the token id")

# %% [markdown] dropping-text
# ## Does dropping hurt?
#
# The unchanged model against the same model without capacity: loss with less loss without, for the tokens that lose an expert, for the
# 32 tokens behind them, for those farther behind (`rest`), and for those that no drop can reach (`unreached`, 0 by construction). Empty for a model without capacity, or without `capacity=unlimited` among the strategies.

# %% dropping
cost = numbers.filter(measure="drop_cost", part="all")
figure, axis = plt.subplots(figsize=(7, 2), layout="constrained")
axis.errorbar(cost["estimate"], range(cost.height), xerr=error_bars(cost) if cost.height else None, fmt="o", ms=4, capsize=2)
axis.axvline(0, color="k", lw=0.8)
axis.set_yticks(range(cost.height), cost["exposure"])
axis.set(title="Loss with capacity less loss without", xlabel="nats per token", ylim=(max(cost.height, 1) - 0.5, -0.5))
plt.show()
show(cost.select("exposure", "estimate", "low", "high", "n"), "exposure")

# %% [markdown] routing-text
# ## How the routing changes, layer by layer
#
# The share of the tokens whose first choice is another expert. A change in one layer changes what the layers behind it see.

# %% routing
first = numbers.filter(pl.col("only_layer").is_null(), pl.col("layer").is_not_null(), measure="first_choice")
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
for strategy in first["strategy"].unique(maintain_order=True):
    own = first.filter(strategy=strategy)
    axis.errorbar([LAYERS.index(layer) for layer in own["layer"]], own["estimate"], error_bars(own), fmt="o-", ms=4, capsize=2, label=strategy)
axis.set_xticks(range(len(LAYERS)), [f"layer {layer}" for layer in LAYERS])
axis.yaxis.set_major_formatter(PercentFormatter(1))
axis.set(title="Another first choice", ylim=0)
axis.legend()
plt.show()

# %% [markdown] losses-text
# ## From the losses themselves
#
# `losses/` of a pass has one row for every next token. This recomputes the change of every strategy, and compares with
# `stats/mitigation.csv`. Any other question starts the same way.

# %% losses
def losses_of(label):
    folder = next(entry["trace"] for entry in manifest["checkpoints"] if entry["label"] == label)
    rows = pl.scan_parquet(RUN / folder / "losses" / "*.parquet")
    return rows.filter(pl.col("position") > 0) if summary["exclude_bos"] else rows


unchanged = losses_of("unchanged")
for strategy, expected in losses.select("strategy", "estimate").iter_rows():
    both = unchanged.join(losses_of(strategy), on=["sequence", "position"], suffix="_changed")
    change = both.select((pl.col("loss_changed").cast(pl.Float64) - pl.col("loss").cast(pl.Float64)).mean()).collect().item()
    assert abs(change - expected) < 1e-9, (strategy, change, expected)
print("equal to stats/mitigation.csv")
difference = unchanged.join(losses_of(LOOKED_AT), on=["sequence", "position"], suffix="_changed")
difference = difference.select(pl.col("loss_changed") - pl.col("loss")).collect()["loss_changed"]
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.hist(difference.clip(-2, 2), bins=81)
axis.set_yscale("log")
axis.yaxis.set_major_formatter("{x:,.0f}")
axis.set(title=f"{LOOKED_AT}: change of the loss, token by token", xlabel="nats (beyond 2: at the ends)", ylabel="next tokens")
plt.show()
difference.describe()
