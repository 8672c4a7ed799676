"""Times the routing-only forward pass of an OLMoE against transformers, taking turns in one run.

    python tests/benches/compare_transformers.py --rounds 3

Both sides run the checkpoint and the token ids of `cargo bench --bench big_shapes -- --prepare olmoe-4`: the shape of
OLMoE-1B-7B with 4 of its layers, all matrices random, 4 sequences of 1,024 tokens, in f32, on the same number of
threads. Python needs torch and transformers. Our time is the forward pass of the built program, reading the weights
and writing the trace included; those of transformers lie in memory before the clock starts. transformers returns the
router logits of every token and computes no logits of the vocabulary but those of the last position; it also runs the
experts of the last layer, which routing does not need and we leave out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import transformers

from support.turns import last_line, positive, sgemm_rate

SGEMM = (8192, 2048, 2048)


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    prepared = prepare()
    ids = token_ids(prepared["rows"])
    model = load(prepared["checkpoint"], options.experts)
    experts = getattr(model.config, "_experts_implementation", "its only one")
    print(
        f"{ids.numel()} tokens, {options.threads} threads, transformers {transformers.__version__}, "
        f"PyTorch {torch.__version__}, experts: {experts}, attention: {model.config._attn_implementation}"
    )
    print(f"{'round':>5} {'ours tokens/s':>14} {'transformers tokens/s':>22} {'ratio':>6} {'sgemm GFLOP/s':>14}")
    rates, ours, theirs = [], [], []
    for number in range(options.rounds):
        rates.append(sgemm_rate(SGEMM, 5))
        ours.append(ids.numel() / our_seconds(prepared, options.threads, ids.numel()))
        theirs.append(ids.numel() / their_seconds(model, ids))
        print(
            f"{number:>5} {ours[-1]:>14.1f} {theirs[-1]:>22.1f} {ours[-1] / theirs[-1]:>6.2f} {rates[-1]:>14.1f}",
            flush=True,
        )
    summarize(ours, theirs, max(rates), prepared["flop"] / ids.numel())


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument(
        "--experts",
        choices=["eager", "batched_mm", "grouped_mm"],
        help="how transformers 5 multiplies by the experts; its own choice if absent",
    )
    return parser.parse_args()


def prepare():
    """Where the checkpoint, its token ids and the built program are, and the floating point operations that routing needs."""
    command = ["cargo", "bench", "--bench", "big_shapes", "--", "--prepare", "olmoe-4"]
    return json.loads(last_line(command, os.environ))


def token_ids(path):
    with open(path) as file:
        return torch.tensor([json.loads(line)["input_ids"] for line in file])


def load(folder, experts):
    """The model with its weights as f32 in memory."""
    choice = {"experts_implementation": experts} if experts else {}
    model = transformers.OlmoeForCausalLM.from_pretrained(folder, dtype=torch.float32, **choice)
    # Files are mapped: touch every number before the clock starts.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model.eval()


def our_seconds(prepared, threads, tokens):
    """Seconds of the forward pass of the built program."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        command = [prepared["program"], "route", prepared["checkpoint"], "--corpus", prepared["rows"], "--out", run]
        options = ["--no-hash", "--quiet", "--threads", str(threads), "--resamples", "0", "--permutations", "0"]
        finished = subprocess.run(
            command + options, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if finished.returncode != 0:
            sys.exit(finished.stderr)
        with open(os.path.join(run, "manifest.json")) as file:
            manifest = json.load(file)
    if manifest["tokens"] != tokens:
        sys.exit(f"the program ran {manifest['tokens']} tokens, transformers runs {tokens}")
    return manifest["forward_seconds"]


def their_seconds(model, ids):
    with torch.inference_mode():
        start = time.perf_counter()
        outputs = model(input_ids=ids, output_router_logits=True, use_cache=False, logits_to_keep=1)
        seconds = time.perf_counter() - start
    layers = len(outputs.router_logits)
    if layers != model.config.num_hidden_layers or outputs.router_logits[0].numel() != ids.numel() * model.config.num_experts:
        sys.exit(f"transformers returned router logits of {layers} layers, {tuple(outputs.router_logits[0].shape)} each")
    return seconds


def summarize(ours, theirs, rate, flop_per_token):
    """Medians, their ratio, and both shares of the best multiplication rate that PyTorch has shown."""
    our_median, their_median = statistics.median(ours), statistics.median(theirs)

    def share(tokens_per_second):
        return flop_per_token * tokens_per_second / 1e9 / rate

    print(f"medians: {our_median:.1f} tokens/s, transformers {their_median:.1f} tokens/s, ratio {our_median / their_median:.2f}")
    print(
        f"arithmetic that routing needs: {flop_per_token / 1e9:.3f} GFLOP a token; share of PyTorch's best sgemm, "
        f"{rate:.1f} GFLOP/s: {share(our_median):.2f}, transformers {share(their_median):.2f}"
    )


if __name__ == "__main__":
    main()
