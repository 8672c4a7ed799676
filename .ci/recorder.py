#!/usr/bin/env python3
"""The recorder for transformers against an independent look at the same forward pass, and the import of what it wrote.

    python .ci/recorder.py BINARY

For each family a tiny random model is run on a CPU over a left-padded batch. What the recorder writes is imported by BINARY; the
choices in the run's trace must be those of the router's own output, taken by a hook that is written here and knows the family.
"""
import importlib.util
import pathlib
import subprocess
import sys
import tempfile

import pyarrow.parquet as pq
import torch
import transformers

SMALL = dict(vocab_size=97, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)
LAYERS = 3


def models():
    """Name, model, and for each routed layer a function from the router's output to the sorted choices of a token."""
    torch.manual_seed(0)
    make = transformers.AutoModelForCausalLM.from_config
    yield "olmoe", make(transformers.OlmoeConfig(**SMALL, num_hidden_layers=LAYERS, intermediate_size=16, num_experts=8,
                                                 num_experts_per_tok=2)), 2
    yield "mixtral", make(transformers.MixtralConfig(**SMALL, num_hidden_layers=LAYERS, intermediate_size=32,
                                                     num_local_experts=4, num_experts_per_tok=2)), 2
    yield "qwen3_moe", make(transformers.Qwen3MoeConfig(**SMALL, num_hidden_layers=LAYERS, intermediate_size=32,
                                                        moe_intermediate_size=16, num_experts=8, num_experts_per_tok=3,
                                                        head_dim=8, decoder_sparse_step=1)), 3
    yield "deepseek_v3", make(transformers.DeepseekV3Config(
        **{**SMALL, "num_key_value_heads": 4}, num_hidden_layers=LAYERS, intermediate_size=32, moe_intermediate_size=16,
        n_routed_experts=8, num_experts_per_tok=2, n_group=2, topk_group=1, first_k_dense_replace=1, q_lora_rank=16,
        kv_lora_rank=16, qk_rope_head_dim=8, v_head_dim=8, qk_nope_head_dim=8)), 2


def chosen(model, k, batch):
    """The choices of every token in every routed layer, by layer: sets, from the router modules themselves."""
    seen = {}

    def look(layer):
        def hook(module, args, result):
            parts = result if isinstance(result, (tuple, list)) else (result,)
            index = [part for part in parts if part.dtype in (torch.int32, torch.int64) and part.shape[-1] == k]
            if index:
                seen[layer] = index[0].reshape(-1, k)
            else:
                logits = [part for part in parts if part.is_floating_point()][-1]
                seen[layer] = logits.float().reshape(-1, logits.shape[-1]).topk(k, dim=-1).indices
        return hook

    handles = []
    for number, layer in enumerate(model.model.layers):
        gate = getattr(layer.mlp, "gate", None) or getattr(getattr(layer, "block_sparse_moe", None), "gate", None)
        if gate is not None:
            handles.append(gate.register_forward_hook(look(number)))
    with torch.inference_mode():
        model(**batch, use_cache=False)
    for handle in handles:
        handle.remove()
    return {layer: [sorted(row.tolist()) for row in rows] for layer, rows in seen.items()}


def deepseek(model, batch, k):
    """DeepSeek-V3 chooses by biased scores within groups: its own method is asked."""
    seen = {}
    handles = []
    for number, layer in enumerate(model.model.layers):
        experts = getattr(layer.mlp, "experts", None)
        if experts is not None:
            def hook(module, args, kwargs, number=number):
                index = [part for part in (*args, *kwargs.values())
                         if torch.is_tensor(part) and part.dtype in (torch.int32, torch.int64)]
                seen[number] = [sorted(row.tolist()) for row in index[0].reshape(-1, k)]
            handles.append(experts.register_forward_pre_hook(hook, with_kwargs=True))
    with torch.inference_mode():
        model(**batch, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def imported(binary, routes, folder):
    """The choices in the trace of a run, by layer and (sequence, position), as sorted lists."""
    run = folder / "run"
    subprocess.run([binary, "import", routes, "--out", run, "--resamples", "0", "--permutations", "0", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    found = {}
    for part in sorted((run / "trace").glob("*.parquet")):
        for row in pq.read_table(part).to_pylist():
            found.setdefault(row["layer"], {}).setdefault((row["sequence"], row["position"]), []).append(row["expert"])
    return {layer: {key: sorted(experts) for key, experts in rows.items()} for layer, rows in found.items()}


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        script = pathlib.Path(temporary) / "record_routing.py"
        script.write_text(subprocess.run([binary, "recorder", "transformers"], check=True, capture_output=True, text=True).stdout)
        spec = importlib.util.spec_from_file_location("record_routing", script)
        recorder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(recorder)
        for name, model, k in models():
            model.eval()
            lengths = [40, 33, 48, 21]
            width = max(lengths)
            ids = torch.randint(3, SMALL["vocab_size"], (len(lengths), width))
            mask = torch.stack([torch.arange(width) >= width - length for length in lengths]).long()
            batch = {"input_ids": ids, "attention_mask": mask}
            folder = pathlib.Path(temporary) / name
            with recorder.Recorder(model, folder / "routes", logits=name != "deepseek_v3") as record, torch.inference_mode():
                record.name([f"document {number}" for number in range(len(lengths))])
                model(**batch, use_cache=False)
            expected = deepseek(model, batch, k) if name == "deepseek_v3" else chosen(model, k, batch)
            found = imported(binary, folder / "routes", folder)
            assert sorted(found) == sorted(expected), (name, sorted(found), sorted(expected))
            rows = 0
            for layer, choices in expected.items():
                for sequence, length in enumerate(lengths):
                    for position in range(length):
                        row = sequence * width + width - length + position
                        assert found[layer][sequence, position] == choices[row], (name, layer, sequence, position)
                        rows += 1
            print(f"{name}: {rows} rows of {len(expected)} layers imported as the router chose (transformers {transformers.__version__})")


if __name__ == "__main__":
    main()
