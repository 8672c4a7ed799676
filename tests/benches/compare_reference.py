"""Times the routing-only forward pass against a PyTorch implementation of the same model, taking turns in one run.

    python tests/benches/compare_reference.py PATH/openmoe_reference.py --rounds 3

The PyTorch file defines OpenMoeConfig, OpenMoe and load_checkpoint; Python needs torch and safetensors. Both sides run
the checkpoint and the token ids of `cargo bench --bench forward -- --prepare`, in f32, on the same number of threads,
all sequences as one routing group. Our time includes reading the weights; those of PyTorch lie in memory before the
clock starts. PyTorch also runs the experts and the extra MLP of the last MoE layer and what follows, which routing does
not need and we leave out.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time

import torch

from support.turns import last_line, positive, sgemm_rate

SGEMM = (16384, 2048, 2048)


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    folder = forward_bench(options.threads, "--prepare")
    model = load_reference(options.reference, folder)
    ids = token_ids(folder)
    rates, ours, theirs = [], [], []
    print(f"{ids.numel()} tokens, {options.threads} threads, PyTorch {torch.__version__}")
    print(f"{'round':>5} {'ours tokens/s':>14} {'PyTorch tokens/s':>17} {'ratio':>6} {'sgemm GFLOP/s':>14}")
    for number in range(options.rounds):
        rates.append(sgemm_rate(SGEMM, 3))
        ours.append(our_pass(folder, options.threads, ids.numel()))
        theirs.append(ids.numel() / reference_seconds(model, ids))
        rate = ours[-1]["tokens"] / ours[-1]["seconds"]
        print(f"{number:>5} {rate:>14.1f} {theirs[-1]:>17.1f} {rate / theirs[-1]:>6.2f} {rates[-1]:>14.1f}", flush=True)
    summarize(ours, theirs, rates)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", help="the PyTorch implementation, a .py file")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--threads", type=positive, default=2)
    return parser.parse_args()


def forward_bench(threads, *arguments):
    """Last line that the forward benchmark prints."""
    command = ["cargo", "bench", "--bench", "forward", "--", *arguments]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    return last_line(command, environment)


def our_pass(folder, threads, tokens):
    """Seconds, tokens, multiplication rate and share of one pass."""
    measured = json.loads(forward_bench(threads, "--checkpoint", folder, "--rounds", "1", "--json"))
    if measured["tokens"] != tokens:
        sys.exit(f"the benchmark ran {measured['tokens']} tokens, PyTorch runs {tokens}")
    return measured


def load_reference(path, folder):
    """The PyTorch model with the weights of `folder`, as f32 in memory."""
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    config = module.OpenMoeConfig.from_json(os.path.join(folder, "config.json"))
    with torch.device("meta"):  # all parameters come from the file
        model = module.OpenMoe(config, init=False)
    module.load_checkpoint(model, folder)
    model.attn_impl = "sdpa"
    for parameter in model.model.parameters():  # lm_head is not used
        parameter.data = parameter.data.to(torch.float32, copy=True)
    return model.eval()


def token_ids(folder):
    with open(os.path.join(folder, "tokens.json")) as file:
        return torch.tensor(json.load(file))


def reference_seconds(model, ids):
    with torch.inference_mode():
        start = time.perf_counter()
        model(ids, logits="none")
        return time.perf_counter() - start


def summarize(ours, theirs, rates):
    """Medians, their ratio, and the share of the best multiplication rate that either side has shown."""
    our_median = statistics.median(one["tokens"] / one["seconds"] for one in ours)
    their_median = statistics.median(theirs)
    best_own = max(one["gflop_per_second"] for one in ours)
    best = max(best_own, *rates)
    done = statistics.median(one["share"] * one["gflop_per_second"] for one in ours)
    ratio = our_median / their_median
    print(f"medians: {our_median:.1f} tokens/s, PyTorch {their_median:.1f} tokens/s, ratio {ratio:.2f}")
    print(f"best sgemm: {best:.1f} GFLOP/s (ours {best_own:.1f}, PyTorch {max(rates):.1f})")
    print(f"share of it: {done / best:.2f} ({done:.1f} GFLOP/s of needed arithmetic)")


if __name__ == "__main__":
    main()
