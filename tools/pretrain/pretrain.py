"""Pretraining of the embedded model, in two stages, from a seed.

    python3 tools/pretrain/pretrain.py master --out tools/pretrain/checkpoints/master
    python3 tools/pretrain/pretrain.py slips --start tools/pretrain/checkpoints/master --out tools/pretrain/checkpoints/slips
    python3 tools/pretrain/export.py tools/pretrain/checkpoints/slips static/models/arithmetic-0.4m

`master` learns the task on clean chains. `slips` trains briefly on chains in which now and then a step has a wrong
result and the chain goes on from it, so that the model's errors at temperature 1 are slips and not gaps. Needs
PyTorch 1.13 or newer and numpy. The result depends on seed and thread count (order of sums) and on nothing else.
"""
import argparse
import json
import math
import os
import random
import sys
import time

# One thread of OpenBLAS beside torch's own: with both spinning, the matrices of this size take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import data  # noqa: E402
from evaluate import evaluate  # noqa: E402
from model import Config, Decoder  # noqa: E402
from safetensors_io import load_file, save_file  # noqa: E402

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": data.BOS,
    "eos_token_id": data.EOS,
    "head_dim": 24,
    "hidden_act": "silu",
    "hidden_size": 96,
    "initializer_range": 0.02,
    "intermediate_size": 256,
    "max_position_embeddings": 256,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "pad_token_id": data.PAD,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
    "use_cache": True,
    "vocab_size": len(data.VOCABULARY),
}


def initialise(config, seed):
    """Normal weights of deviation 0.6 / sqrt(fan-in), the two projections into the residual stream smaller."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in config.weight_shapes().items():
        if name.endswith("norm.weight"):
            weights[name] = torch.ones(shape)
            continue
        deviation = 0.1 if "embed_tokens" in name else 0.6 / math.sqrt(shape[1])
        if "o_proj" in name or "down_proj" in name:
            deviation /= math.sqrt(2 * config.layers)
        weights[name] = torch.randn(shape, generator=generator) * deviation
    return weights


def examples(rng, stage, arguments):
    """The rows of one step, as batches of like length."""
    if stage == "master":
        return [
            [data.solve_example(rng) for _ in range(arguments.solve)],
            [data.revise_example(rng) for _ in range(arguments.revise)],
            [data.step_example(rng) for _ in range(arguments.steps_alone)],
        ]
    return [
        [data.solve_example(rng, arguments.slip_solve) for _ in range(arguments.solve)],
        [data.revise_example(rng, arguments.slip_revise) for _ in range(arguments.revise)],
    ]


def loss_sum(decoder, ids, weights):
    """Sum of the negative log-likelihoods of the weighted tokens, and the sum of the weights."""
    logits = decoder.logits(ids[:, :-1])
    target, weight = ids[:, 1:].reshape(-1), weights[:, 1:].reshape(-1)
    return (F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target, reduction="none") * weight).sum(), weight.sum()


def rate(step, arguments):
    """Linear warm-up, then a cosine to a twentieth of the peak."""
    if step < arguments.warmup:
        return arguments.lr * (step + 1) / arguments.warmup
    progress = (step - arguments.warmup) / max(1, arguments.steps - arguments.warmup)
    return arguments.lr * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def save(directory, weights):
    os.makedirs(directory, exist_ok=True)
    save_file({name: tensor.detach() for name, tensor in weights.items()}, os.path.join(directory, "model.safetensors"))
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(CONFIG, file, indent=2)
        file.write("\n")


def train(arguments):
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    config = Config(CONFIG)
    if arguments.start:
        weights = load_file(os.path.join(arguments.start, "model.safetensors"))
    else:
        weights = initialise(config, arguments.seed)
    decoder = Decoder(config, weights)
    for tensor in decoder.weights.values():
        tensor.requires_grad_(True)
    decayed = [t for name, t in decoder.weights.items() if t.dim() == 2 and "embed" not in name]
    other = [t for name, t in decoder.weights.items() if not (t.dim() == 2 and "embed" not in name)]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": arguments.decay}, {"params": other, "weight_decay": 0.0}],
        lr=arguments.lr, betas=(0.9, 0.98),
    )
    rng = random.Random(f"{arguments.stage} {arguments.seed}")
    os.makedirs(os.path.dirname(os.path.abspath(arguments.log)), exist_ok=True)
    log = open(arguments.log, "w")

    def record(entry):
        log.write(json.dumps(entry) + "\n")
        log.flush()

    record({"stage": arguments.stage, "arguments": {k: v for k, v in vars(arguments).items() if k not in ("log", "out", "start")}})
    started, running, count = time.time(), 0.0, 0
    for step in range(arguments.steps):
        lr = rate(step, arguments)
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.zero_grad()
        batches = [data.batch(rows, torch) for rows in examples(rng, arguments.stage, arguments)]
        total = sum(float(weights[:, 1:].sum()) for _, weights in batches)
        value = 0.0
        for ids, token_weights in batches:
            loss = loss_sum(decoder, ids, token_weights)[0] / total
            loss.backward()
            value += float(loss)
        torch.nn.utils.clip_grad_norm_(list(decoder.weights.values()), 1.0)
        optimiser.step()
        running, count = running + value, count + 1
        if (step + 1) % arguments.log_every == 0:
            record({"step": step + 1, "loss": round(running / count, 5), "lr": lr, "seconds": round(time.time() - started)})
            running, count = 0.0, 0
        if (step + 1) % arguments.evaluate_every == 0 and step + 1 < arguments.steps:
            record({"step": step + 1, **evaluate(decoder, arguments.evaluate_problems, arguments.seed)})
            save(arguments.out, decoder.weights)
    save(arguments.out, decoder.weights)
    record({"step": arguments.steps, **evaluate(decoder, arguments.final_problems, arguments.seed)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("master", "slips"))
    parser.add_argument("--out", required=True)
    parser.add_argument("--start", help="checkpoint to start from (slips)")
    parser.add_argument("--log", help="JSON lines; default tools/pretrain/log/STAGE.jsonl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--warmup", type=int)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--solve", type=int, default=60, help="solve rows a step")
    parser.add_argument("--revise", type=int, default=30, help="revise rows a step")
    parser.add_argument("--steps-alone", type=int, default=30, help="rows of one isolated step (master)")
    parser.add_argument("--slip-solve", type=float, default=0.45, help="share of solve chains with a slip (slips)")
    parser.add_argument("--slip-revise", type=float, default=0.3, help="share of revise chains with a slip (slips)")
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--evaluate-every", type=int, default=250)
    parser.add_argument("--evaluate-problems", type=int, default=100)
    parser.add_argument("--final-problems", type=int, default=1000)
    arguments = parser.parse_args()
    defaults = {"master": (3500, 3e-3, 200), "slips": (300, 5e-4, 20)}[arguments.stage]
    for name, value in zip(("steps", "lr", "warmup"), defaults):
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    if not arguments.log:
        arguments.log = os.path.join(os.path.dirname(os.path.abspath(__file__)), "log", f"{arguments.stage}.jsonl")
    if arguments.stage == "slips" and not arguments.start:
        parser.error("slips starts from a checkpoint: --start")
    train(arguments)


if __name__ == "__main__":
    main()
