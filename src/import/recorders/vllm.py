#!/usr/bin/env python3
"""Record which experts vLLM routes the prompts of a corpus to, one array file for each document ("moe-routing", version 1).

    python record_vllm.py MODEL corpus.jsonl OUT [--tensor-parallel 1 --context 2048]
    openmoe-analyze import OUT --model-config MODEL/config.json --out runs/last-night

Needs vllm 0.27 or newer (older ones record zeros with some fused kernels) and numpy. One token is generated for each document, so
that the rows are those of its prompt. vLLM gives expert ids alone: no weights, no logits, and no order unless
VLLM_BATCH_INVARIANT=1 is set.
"""
import argparse
import json
import os
import pathlib

import numpy as np
from vllm import LLM, SamplingParams


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("model")
    cli.add_argument("corpus")
    cli.add_argument("out")
    cli.add_argument("--tensor-parallel", type=int, default=1)
    cli.add_argument("--context", type=int, default=2048)
    options = cli.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with open(options.corpus, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    model = LLM(options.model, enable_return_routed_experts=True, max_model_len=options.context,
                tensor_parallel_size=options.tensor_parallel)
    tokenizer = model.get_tokenizer()
    prompts = [{"prompt_token_ids": tokenizer.encode(row["text"])[: options.context - 1]} for row in rows]
    ordered = os.environ.get("VLLM_BATCH_INVARIANT") == "1"
    for number, (row, output) in enumerate(zip(rows, model.generate(prompts, SamplingParams(max_tokens=1)))):
        experts = output.outputs[0].routed_experts
        if experts is None or not experts.any():
            raise SystemExit(f"document {number}: vLLM returned no routes, or only zeros: update vLLM")
        np.savez(out / f"{number:06}.npz", experts=experts.astype(np.uint16),
                 token_ids=np.asarray(output.prompt_token_ids, np.uint32)[: len(experts)],
                 document=str(row.get("id", number)), category=str(row.get("domain") or row.get("category") or ""),
                 choice_order="weight" if ordered else "unknown")


if __name__ == "__main__":
    main()
