"""Pretraining of the strategies model from a seed, and its export in the layout of a Hugging Face repository (F16).

    python3 tools/pretrain/strategies_pretrain.py

Writes static/models/strategies-0.25m and tools/pretrain/log/strategies.jsonl; the card README.md is written by hand. Needs PyTorch 1.13
or newer and numpy. The result depends on seed, number of steps and thread count and on nothing else.
"""
import argparse
import json
import os
import random
import sys
import time

# One thread of OpenBLAS beside torch's own: with both spinning, the matrices of this size take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import strategies_data as data  # noqa: E402
from data import batch  # noqa: E402
from export import write_repository  # noqa: E402
from model import Config, Decoder  # noqa: E402
from pretrain import CONFIG, initialise, loss_sum, rate  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# Rows of one step, as batches of like length.
SHORT = ((data.solve, 56), (data.verify, 8), (data.refine, 12), (data.hint, 12))
LONG = ((data.revise, 24),)
NAME = "strategies-0.25m"
SHAPE = {"hidden_size": 96, "head_dim": 24, "num_hidden_layers": 3, "intermediate_size": 192}
# config.json
FIELDS = {**CONFIG, **SHAPE, "vocab_size": len(data.VOCABULARY), "max_position_embeddings": 128, "torch_dtype": "float16"}
RATE, WARMUP = 3e-3, 100


def train(arguments):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    policy, config = data.Policy(), Config(FIELDS)
    decoder = Decoder(config, initialise(config, arguments.seed))
    for tensor in decoder.weights.values():
        tensor.requires_grad_(True)
    decayed = [t for name, t in decoder.weights.items() if t.dim() == 2 and "embed" not in name]
    other = [t for name, t in decoder.weights.items() if not (t.dim() == 2 and "embed" not in name)]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": other, "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.98)
    )
    rng = random.Random(f"strategies base {arguments.seed}")
    log = open(os.path.join(ROOT, "tools", "pretrain", "log", "strategies.jsonl"), "w")
    schedule = argparse.Namespace(steps=arguments.steps, warmup=WARMUP, lr=RATE)
    log.write(json.dumps({"seed": arguments.seed, "steps": arguments.steps, "lr": RATE}) + "\n")

    def export():
        weights = {name: tensor.detach().half() for name, tensor in decoder.weights.items()}
        write_repository(arguments.out, FIELDS, weights, data.VOCABULARY, longest=32)

    started, running = time.process_time(), []
    for step in range(arguments.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, schedule)
        optimiser.zero_grad()
        batches = [
            batch([data.example(rng, form, policy) for form, count in part for _ in range(count)], torch)
            for part in (SHORT, LONG)
        ]
        total = sum(float(weights[:, 1:].sum()) for _, weights in batches)
        value = 0.0
        for ids, weights in batches:
            loss = loss_sum(decoder, ids, weights)[0] / total
            loss.backward()
            value += float(loss)
        torch.nn.utils.clip_grad_norm_(list(decoder.weights.values()), 1.0)
        optimiser.step()
        running.append(value)
        if (step + 1) % 50 == 0:
            entry = {"step": step + 1, "loss": round(sum(running) / len(running), 5), "cpu": round(time.process_time() - started)}
            log.write(json.dumps(entry) + "\n")
            log.flush()
            running = []
        if (step + 1) % 400 == 0:
            export()
    export()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--out", default=os.path.join(ROOT, "static", "models", NAME), help="folder of the model")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
