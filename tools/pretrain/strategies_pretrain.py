"""Pretraining of a strategies model from a seed, and its export in the layout of a Hugging Face repository (F16).

    python3 tools/pretrain/strategies_pretrain.py
    python3 tools/pretrain/strategies_pretrain.py --model strategies-0.6m

Writes static/models/NAME and tools/pretrain/log/strategies.jsonl (of the larger model strategies-0.6m.jsonl); the card README.md is
written by hand. Needs PyTorch 1.13 or newer and numpy. The result depends on model, seed, number of steps and thread count and on
nothing else.
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
# The larger sibling has the same vocabulary. It uses all strategies alike, has its misconceptions less often, and slips less.
MODELS = {
    "strategies-0.25m": {
        "shape": {"hidden_size": 96, "head_dim": 24, "num_hidden_layers": 3, "intermediate_size": 192},
        "policy": data.Policy(), "rate": 3e-3, "steps": 2200, "log": "strategies.jsonl",
    },
    "strategies-0.6m": {
        "shape": {"hidden_size": 128, "head_dim": 32, "num_hidden_layers": 4, "intermediate_size": 256},
        "policy": data.Policy(mix=(1, 1, 1), gap=0.4, slip=0.02), "rate": 2e-3, "steps": 1600, "log": "strategies-0.6m.jsonl",
    },
}
WARMUP = 100


def fields(shape):
    """config.json"""
    return {**CONFIG, **shape, "vocab_size": len(data.VOCABULARY), "max_position_embeddings": 128, "torch_dtype": "float16"}


def train(arguments):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = MODELS[arguments.model]
    policy, peak, steps = model["policy"], model["rate"], arguments.steps or model["steps"]
    of_file = fields(model["shape"])
    config = Config(of_file)
    decoder = Decoder(config, initialise(config, arguments.seed))
    for tensor in decoder.weights.values():
        tensor.requires_grad_(True)
    decayed = [t for name, t in decoder.weights.items() if t.dim() == 2 and "embed" not in name]
    other = [t for name, t in decoder.weights.items() if not (t.dim() == 2 and "embed" not in name)]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": other, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.98)
    )
    rng = random.Random(f"strategies base {arguments.seed}")
    log = open(arguments.log or os.path.join(ROOT, "tools", "pretrain", "log", model["log"]), "w")
    schedule = argparse.Namespace(steps=steps, warmup=WARMUP, lr=peak)
    log.write(json.dumps({"seed": arguments.seed, "steps": steps, "lr": peak}) + "\n")

    def export():
        weights = {name: tensor.detach().half() for name, tensor in decoder.weights.items()}
        write_repository(out, of_file, weights, data.VOCABULARY, longest=32)

    out = arguments.out or os.path.join(ROOT, "static", "models", arguments.model)
    started, running = time.process_time(), []
    for step in range(steps):
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
    parser.add_argument("--model", choices=sorted(MODELS), default="strategies-0.25m")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, help="default: the model's own")
    parser.add_argument("--out", help="folder of the model; default static/models/MODEL")
    parser.add_argument("--log", help="file of the losses; default tools/pretrain/log")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
