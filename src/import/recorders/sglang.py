#!/usr/bin/env python3
"""Record which experts an SGLang server routes the prompts of a corpus to, as the responses that it gives.

    python -m sglang.launch_server --model-path MODEL --enable-return-routed-experts
    python record_sglang.py MODEL corpus.jsonl responses.jsonl [--url http://127.0.0.1:30000 --context 2048]
    openmoe-analyze import responses.jsonl --model-config MODEL/config.json --out runs/last-night

Needs an SGLang of September 2026 or newer (before, rows of some tokens are copies of others), transformers for the tokenizer, and
nothing else. One token is generated for each document, so that the rows are those of its prompt. SGLang gives expert ids alone, in
no order: no weights, no logits.
"""
import argparse
import json
import urllib.request

from transformers import AutoTokenizer


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("model")
    cli.add_argument("corpus")
    cli.add_argument("out")
    cli.add_argument("--url", default="http://127.0.0.1:30000")
    cli.add_argument("--context", type=int, default=2048)
    options = cli.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    with open(options.corpus, encoding="utf-8") as lines, open(options.out, "w", encoding="utf-8") as out:
        for number, line in enumerate(line for line in lines if line.strip()):
            row = json.loads(line)
            ids = tokenizer.encode(row["text"])[: options.context - 1]
            asked = {"input_ids": ids, "return_routed_experts": True, "sampling_params": {"max_new_tokens": 1, "temperature": 0}}
            request = urllib.request.Request(options.url + "/generate", json.dumps(asked).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as answer:
                response = json.load(answer)
            if not response.get("meta_info", {}).get("routed_experts"):
                raise SystemExit(f"document {number}: no routed_experts: start the server with --enable-return-routed-experts")
            response |= {"input_ids": ids, "document": str(row.get("id", number)),
                         "category": row.get("domain") or row.get("category")}
            out.write(json.dumps(response) + "\n")


if __name__ == "__main__":
    main()
