"""Golden fixtures for the engines' tests: tiny random models, adapters, and what PyTorch makes of them.

    python3 tools/torch/make_fixtures.py [tests/fixtures/golden]

Their weights are large, so that nothing small hides an error; `initial/` has models as the classes initialise them (normal, 0.02),
for what a format's rounding does to logits. The models of `int4/` hold weights that packing as int4 keeps to the bit, so their numbers are those of a quantised engine.

The reference is computed in float64 from the stored (rounded) weights and saved as float32, so what a test measures
is the error of the engine alone.
"""
import json
import os
import shutil
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

from model import BLOCK, TARGETS, Adapter, Config, Decoder, Lora  # noqa: E402
from safetensors_io import save_file  # noqa: E402
from training import (  # noqa: E402
    batch_losses, from_peft, gradients_of, peft_tensors, read_adapter, train, write_adapter,
)

F64 = torch.float64
COMMON = {"attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "use_cache": True}
MODELS = {
    "llama": {
        **COMMON, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False,
        "head_dim": 12, "hidden_size": 48, "intermediate_size": 56, "max_position_embeddings": 128,
        "mlp_bias": False, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5, "rope_theta": 1000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        # With these, one frequency is kept, one lies between and four are scaled.
        "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                         "original_max_position_embeddings": 32, "rope_type": "llama3"},
        "vocab_size": 37,
    },
    # No head_dim, as in Qwen2.5's own config.json.
    "qwen2": {
        **COMMON, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 40,
        "intermediate_size": 72, "max_position_embeddings": 128, "max_window_layers": 2, "num_attention_heads": 5,
        "num_hidden_layers": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "sliding_window": 128, "tie_word_embeddings": True, "torch_dtype": "float16", "use_sliding_window": False,
        "vocab_size": 50,
    },
    "qwen3": {
        **COMMON, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False,
        "head_dim": 14, "hidden_size": 32, "intermediate_size": 88, "max_position_embeddings": 128,
        "max_window_layers": 3, "num_attention_heads": 6, "num_hidden_layers": 3, "num_key_value_heads": 3,
        "rms_norm_eps": 1e-6, "rope_scaling": None, "rope_theta": 1000000.0, "sliding_window": None,
        "tie_word_embeddings": True, "torch_dtype": "float32", "use_sliding_window": False, "vocab_size": 61,
    },
}
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
LENGTHS, PROMPTS = (7, 13, 21, 5, 33), (3, 4, 9, 1, 14)
BATCHES = [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4], [0, 2], [1, 3], [2, 4], [3, 0, 1], [4, 2]]
CONSTANT = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weightDecay": 0.0, "schedule": "constant",
            "warmupSteps": 0, "clip": None}
COSINE = {**CONSTANT, "schedule": "cosine", "warmupSteps": 3, "clip": 0.5}


def normal(generator, shape, deviation):
    return torch.randn(shape, generator=generator, dtype=F64) * deviation


def random_weights(config, generator, dtype):
    weights = {}
    for name, shape in config.weight_shapes().items():
        if name.endswith("norm.weight"):
            tensor = 1 + normal(generator, shape, 0.2)
        elif name.endswith("bias"):
            tensor = normal(generator, shape, 0.3)
        else:
            tensor = normal(generator, shape, 1.3 / shape[1] ** 0.5)
        weights[name] = tensor.to(dtype)
    return weights


def unpacked_int4(tensor):
    """A matrix [out, in] as int4 keeps it: groups of 32 along `in`, the f16 scale = the largest magnitude's value / -8."""
    rows, width = tensor.shape
    groups = -(-width // 32)
    padded = torch.zeros(rows, groups * 32, dtype=torch.float32)
    padded[:, :width] = tensor.float()
    padded = padded.view(rows, groups, 32)
    extreme = padded.gather(2, padded.abs().argmax(2, keepdim=True))
    scale = (extreme / -8).half().float()
    q = torch.where(scale == 0, torch.zeros_like(padded), padded / scale).round().clamp(-8, 7)
    return (q * scale).view(rows, groups * 32)[:, :width].contiguous()


def write_model(directory, fields, weights, shards):
    os.makedirs(directory)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(fields, file, indent=2)
        file.write("\n")
    if shards == 1:
        save_file(weights, os.path.join(directory, "model.safetensors"))
        return
    names, weight_map = sorted(weights), {}
    for shard in range(shards):
        file_name = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        weight_map.update({name: file_name for name in part})
        save_file({name: weights[name] for name in part}, os.path.join(directory, file_name))
    size = sum(t.numel() * t.element_size() for t in weights.values())
    with open(os.path.join(directory, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": size}, "weight_map": weight_map}, file, indent=2)
        file.write("\n")


def random_adapter(config, generator, rank, alpha, targets):
    pairs = {}
    for layer in range(config.layers):
        for target in targets:
            out, width = config.shape(target)
            pairs[layer, target] = (normal(generator, (rank, width), width**-0.5).float(),
                                    normal(generator, (out, rank), 0.3).float())
    return Adapter(rank, alpha, pairs)


def make_initial(name, root, seed):
    """A model as its class initialises it, and the logits of one sequence."""
    fields = {**MODELS[name], "torch_dtype": "float32"}
    config = Config(fields)
    generator = torch.Generator().manual_seed(seed)
    directory = os.path.join(root, name)
    shutil.rmtree(directory, ignore_errors=True)
    weights = {key: normal(generator, shape, 0.02).float() if len(shape) == 2 else
               (torch.ones if key.endswith("norm.weight") else torch.zeros)(shape)
               for key, shape in config.weight_shapes().items()}
    write_model(directory, fields, weights, 1)
    ids = torch.randint(0, config.vocab, (40,), generator=generator)
    with torch.no_grad():
        logits = Decoder.read(directory, F64).logits(ids[None], Lora([(None, 0, 1)]))[0]
    save_file({"ids": ids.float(), "logits": logits.float().contiguous()}, os.path.join(directory, "golden.safetensors"))


def run_training(decoder, directory, examples, optimiser):
    """Ten steps from the stored adapter: (steps for golden.json, final tensors)."""
    adapter = read_adapter(directory, decoder.config, F64)
    steps = [
        {key: report[0][key] for key in ("loss", "gradNorm", "lr", "tokens")}
        for report in train(decoder, [{"adapter": adapter, "examples": examples, "batches": BATCHES}], optimiser)
    ]
    return steps, peft_tensors(adapter)


def make(name, root, seed, int4=False):
    fields = {**MODELS[name], "torch_dtype": "float32"} if int4 else MODELS[name]
    config = Config(fields)
    generator = torch.Generator().manual_seed(seed)
    directory = os.path.join(root, name)
    shutil.rmtree(directory, ignore_errors=True)
    weights = random_weights(config, generator, DTYPES[fields["torch_dtype"]])
    if int4:
        weights = {key: unpacked_int4(tensor) if tensor.dim() == 2 else tensor for key, tensor in weights.items()}
    write_model(directory, fields, weights, 2 if name == "qwen3" else 1)
    write_adapter(os.path.join(directory, "adapter"), random_adapter(config, generator, 4, 8, TARGETS), name)
    write_adapter(os.path.join(directory, "adapter2"), random_adapter(config, generator, 3, 6, ("q_proj", "v_proj")), name)

    decoder = Decoder.read(directory, F64)
    adapters = {"": None, ".adapter": read_adapter(os.path.join(directory, "adapter"), config, F64),
                ".adapter2": read_adapter(os.path.join(directory, "adapter2"), config, F64)}
    examples = []
    for length, prompt in zip(LENGTHS, PROMPTS):
        ids = torch.randint(0, config.vocab, (length,), generator=generator).tolist()
        examples.append({"ids": ids, "weights": [0.0] * prompt + [1.0] * (length - prompt)})
    # One sequence whose completion counts unevenly, as error-weighted objectives want it.
    examples[2]["weights"][12:16] = [0.5, 0.25, 0.0, 2.0]

    tensors = {}
    for suffix, adapter in adapters.items():
        for index, example in enumerate(examples):
            ids = torch.tensor(example["ids"])
            with torch.no_grad():
                logits = decoder.logits(ids[None], Lora([(adapter, 0, 1)]))[0]
            tensors[f"logits{suffix}.{index}"] = logits
            tensors[f"logprobs{suffix}.{index}"] = logits[:-1].log_softmax(-1).gather(1, ids[1:, None])[:, 0]

    adapter = adapters[".adapter"]
    named = peft_tensors(adapter)
    for tensor in named.values():
        tensor.requires_grad_(True)
    losses, tokens = batch_losses(decoder, [(adapter, examples)])
    gradients = gradients_of(losses[0], list(named.values()))
    tensors.update({f"grad.{key}": gradient for key, gradient in zip(named, gradients)})
    with torch.no_grad():
        base_loss = float(batch_losses(decoder, [(None, examples)])[0][0])

    path = os.path.join(directory, "adapter")
    constant, final = run_training(decoder, path, examples, CONSTANT)
    cosine, final_cosine = run_training(decoder, path, examples, COSINE)
    tensors.update({f"final.{key}": tensor for key, tensor in final.items()})
    tensors.update({f"final_cosine.{key}": tensor for key, tensor in final_cosine.items()})
    save_file({key: tensor.detach().float().contiguous() for key, tensor in tensors.items()},
              os.path.join(directory, "golden.safetensors"))
    golden = {
        "formulas": {
            "loss": "sum(weights[t] * nll(ids[t] | ids[:t])) / sum(weights[t]) over t >= 1 of all rows of the batch",
            "adapter": "y = W x + lora_alpha / r * B (A x)",
            "adamw": "m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2; "
                     "p -= lr / (1-beta1^k) * m / (sqrt(v) / sqrt(1-beta2^k) + eps), k counted from 1",
            "clip": "g *= min(1, clip / (gradNorm + 1e-6)), gradNorm over all tensors of the adapter before clipping",
            "lr": "step s counted from 0, total n, warm-up w: s < w: lr * s / w; constant: lr; "
                  "cosine: lr * max(0, 0.5 * (1 + cos(pi * (s - w) / (n - w))))",
        },
        "sequences": examples,
        "adapter": {
            "batch": list(range(len(examples))), "loss": float(losses[0]), "baseLoss": base_loss,
            "tokens": tokens[0], "gradNorm": float(sum(g.square().sum() for g in gradients)) ** 0.5,
        },
        "training": {
            "constant": {"optimiser": CONSTANT, "batches": BATCHES, "steps": constant, "prefix": "final."},
            "cosine": {"optimiser": COSINE, "batches": BATCHES, "steps": cosine, "prefix": "final_cosine."},
        },
    }
    with open(os.path.join(directory, "golden.json"), "w") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")
    print(name, "loss", golden["adapter"]["loss"], "norm", golden["adapter"]["gradNorm"],
          "constant", [round(s["loss"], 3) for s in constant], "cosine", [round(s["loss"], 3) for s in cosine])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..", "tests", "fixtures", "golden")
    torch.set_num_threads(1)
    for seed, name in enumerate(MODELS):
        make(name, root, 100 + seed)
        make(name, os.path.join(root, "int4"), 200 + seed, int4=True)
        make_initial(name, os.path.join(root, "initial"), 300 + seed)


if __name__ == "__main__":
    main()
