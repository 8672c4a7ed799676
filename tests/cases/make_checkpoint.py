"""Writes tests/cases/checkpoint: one tiny OpenMoE of random numbers in the forms that torch.save has had. Needs torch, safetensors."""
import json, pathlib
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent / "checkpoint"
config = {
    "architectures": ["OpenMoeForCausalLM"], "vocab_size": 8, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 2,
    "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 4, "num_experts": 2, "moe_layer_interval": 2,
    "router_topk": 1, "max_position_embeddings": 16,
}
shapes = {"model.embed_tokens.weight": (8, 4)}
for layer in range(2):
    part = {
        "input_layernorm.weight": (4,), "self_attn.q_proj.weight": (4, 4), "self_attn.k_proj.weight": (4, 4),
        "self_attn.v_proj.weight": (4, 4), "self_attn.o_proj.weight": (4, 4), "post_attention_layernorm.weight": (4,),
    }
    dense = "extra_mlp" if layer else "mlp"
    if layer:
        part |= {"mlp.gate_weight": (2, 4), "mlp.experts.wi_gate": (2, 4, 8), "mlp.experts.wi_up": (2, 4, 4),
                 "mlp.experts.wo": (2, 4, 4), "pre_extra_mlp_layernorm.weight": (4,)}
    part |= {f"{dense}.gate_proj.weight": (8, 4), f"{dense}.up_proj.weight": (4, 4), f"{dense}.down_proj.weight": (4, 4)}
    shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in part.items()}
shapes |= {"model.norm.weight": (4,), "lm_head.weight": (8, 4)}

torch.manual_seed(1)
state = {name: torch.randn(shape) for name, shape in shapes.items()}
here.mkdir(exist_ok=True)
(here / "config.json").write_text(json.dumps(config))
save_file(state, here / "plain.safetensors")
old = {"_use_new_zipfile_serialization": False}
# Before PyTorch 1.6, with the storage of an optimizer before those of the model, in a training program's dict.
torch.save({"step": torch.tensor([7]), "optimizer": {"state": {0: {"exp_avg": torch.randn(3).double()}}},
            "model_state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, here / "old_protocol_2.bin", **old)
torch.save(state, here / "old_protocol_4.bin", pickle_protocol=4, **old)
# Since then: other protocols, parameters instead of tensors, half the precision, prefixes of two programs.
parameters = {f"module._orig_mod.{name}": torch.nn.Parameter(tensor) for name, tensor in state.items()}
torch.save({"epoch": 3, "state_dict": parameters, "lr": 0.1}, here / "wrapped_protocol_5.bin", pickle_protocol=5)
