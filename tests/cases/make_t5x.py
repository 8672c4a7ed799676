"""Writes tests/cases/t5x: bundled checkpoints in the form that T5X gives them, by TensorStore, as T5X itself does. Needs tensorstore, msgpack, ml_dtypes.

    tiny_f32          tests/cases/checkpoint/plain.safetensors, references of driver `file`
    tiny_bf16         the same rounded to bf16, references of driver `gcs`
    C_batch3.zip      fixtures/goldens/C_batch3, f32, every entry deflated
    D_bf16.zip        fixtures/goldens/D_bf16, bf16, every entry stored, inside a further folder

Chunks are uneven on purpose: rows of matrices in three, columns of some in two, experts by expert and by half of the inner dimension, as a mesh of
(expert, model) would leave them. Every array is read back by TensorStore and compared.
"""
import json, pathlib, shutil, struct, tempfile, zipfile
import ml_dtypes, msgpack, numpy as np, tensorstore as ts

here = pathlib.Path(__file__).parent
root = here.parent.parent
DTYPES = {"F32": np.dtype("<f4"), "BF16": np.dtype(ml_dtypes.bfloat16)}

LAYER = {
    "input_layernorm.weight": ("pre_self_attention_layer_norm.scale", False),
    "post_attention_layernorm.weight": ("pre_mlp_layer_norm.scale", False),
    "pre_extra_mlp_layernorm.weight": ("pre_extra_mlp_layer_norm.scale", False),
    "mlp.gate_weight": ("mlp.router.router_weights.w.kernel", True),
    "mlp.experts.wi_gate": ("mlp.expert.wi_0.kernel", False),
    "mlp.experts.wi_up": ("mlp.expert.wi_1.kernel", False),
    "mlp.experts.wo": ("mlp.expert.wo.kernel", False),
} | {f"self_attn.{port}_proj.weight": (f"self_attention.{name}.kernel", True) for port, name in zip("qkvo", ("query", "key", "value", "out"))} | {
    f"{mlp}.{port}_proj.weight": (f"{mlp}.{name}.kernel", True)
    for mlp in ("mlp", "extra_mlp") for port, name in (("gate", "wi_0"), ("up", "wi_1"), ("down", "wo"))
}
MODEL = {
    "model.embed_tokens.weight": ("token_embedder.embedding", False),
    "model.norm.weight": ("decoder.decoder_norm.scale", False),
    "lm_head.weight": ("decoder.logits_dense.kernel", True),
}


def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        yield name, np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def renamed(path, dtype):
    for name, tensor in tensors(path):
        if name in MODEL:
            array, turned = MODEL[name]
        else:
            layer, part = name.removeprefix("model.layers.").split(".", 1)
            array, turned = LAYER[part]
            array = f"decoder.layers_{layer}.{array}"
        yield f"target.{array}", np.ascontiguousarray(tensor.T if turned else tensor).astype(dtype)


def chunks(name, shape):
    if len(shape) == 3:
        return [1, shape[1], (shape[2] + 1) // 2]
    if len(shape) == 2:
        columns = shape[1] if "wo" in name or "embedding" in name else (shape[1] + 1) // 2
        return [(shape[0] + 2) // 3, columns]
    return [(size * 2 + 2) // 3 for size in shape]


def pack(value):  # as flax.serialization does
    code = 1 if isinstance(value, np.ndarray) else 3
    value = np.asarray(value)
    return msgpack.ExtType(code, msgpack.packb((value.shape, value.dtype.name, value.tobytes("C")), use_bin_type=True))


def write(source, folder, dtype, driver, step):
    folder.mkdir(parents=True)
    target = {}
    for name, array in sorted(renamed(source, dtype)):
        spec = ts.Spec({
            "driver": "zarr", "dtype": array.dtype.name, "kvstore": {"driver": "file", "path": name},
            "metadata": {"compressor": {"id": "gzip"}, "shape": list(array.shape), "chunks": chunks(name, array.shape)},
        }).to_json()
        here = json.loads(json.dumps(spec))
        here["kvstore"]["path"] = f"{folder.resolve()}/{spec['kvstore']['path']}"
        ts.open(here, create=True, open=True).result().write(array).result()
        # T5X opens an array without saying how it is cut or packed.
        for key in ("chunks", "compressor"):
            here["metadata"].pop(key)
        assert (ts.open(here, open=True).result().read().result() == array).all(), name
        if driver == "gcs":
            spec["kvstore"] = {"driver": "gcs", "bucket": "t5x-dummy-bucket", "path": spec["kvstore"]["path"]}
        *parents, leaf = name.split(".")[1:]
        place = target
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = spec
    index = {"version": 3, "optimizer": {"state": {"step": np.int32(step), "param_states": {}}, "target": target}}
    (folder / "checkpoint").write_bytes(msgpack.packb(index, default=pack, strict_types=True))


def zipped(folder, name, prefix, method):
    with zipfile.ZipFile(name, "w", method) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(prefix + str(file.relative_to(folder)))
            archive.writestr(entry, file.read_bytes(), method)


out = here / "t5x"
shutil.rmtree(out, ignore_errors=True)
plain = here / "checkpoint"
for name, dtype, driver in (("tiny_f32", "<f4", "file"), ("tiny_bf16", ml_dtypes.bfloat16, "gcs")):
    write(plain / "plain.safetensors", out / name / "checkpoint_500", dtype, driver, 500)
    shutil.copy(plain / "config.json", out / name / "config.json")
with tempfile.TemporaryDirectory() as scratch:
    for name, dtype, method, prefix in (
        ("C_batch3", "<f4", zipfile.ZIP_DEFLATED, "checkpoint_1000/"),
        ("D_bf16", ml_dtypes.bfloat16, zipfile.ZIP_STORED, "openmoe/checkpoint_2000/"),
    ):
        golden = root / "fixtures/goldens" / name
        folder = pathlib.Path(scratch) / name
        write(golden / "model.safetensors", folder, dtype, "file", int(prefix.split("_")[1].rstrip("/")))
        zipped(folder, out / f"{name}.zip", prefix, method)
print(sum(path.stat().st_size for path in out.rglob("*") if path.is_file()), "bytes")
