"""Fixtures of reward models: rewards, margin ranking with its gradients, and ten steps, by PyTorch's own differentiation.

    python3 tools/torch/make_ranking.py [tests/fixtures/golden]

Reads the models, adapters and sequences that make_fixtures.py wrote, gives `adapter` a head, and puts `ranking.json` and
`ranking.safetensors` beside them. As there, float64 from the stored weights, saved as float32.
"""
import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

from make_fixtures import COSINE, F64, MODELS  # noqa: E402
from make_objectives import PAIRS, STEPS  # noqa: E402
from model import Decoder, rewards  # noqa: E402
from safetensors_io import save_file  # noqa: E402
from training import HEAD, gradients_of, peft_tensors, read_adapter, step_losses, train  # noqa: E402

OBJECTIVE = {"kind": "rank", "margin": 0.25}


def make(directory):
    with open(os.path.join(directory, "golden.json")) as file:
        sequences = json.load(file)["sequences"]
    decoder = Decoder.read(directory, F64)
    adapter = read_adapter(os.path.join(directory, "adapter"), decoder.config, F64)
    width = decoder.config.hidden
    drawn = torch.randn(1, width, generator=torch.Generator().manual_seed(5), dtype=F64) / width**0.5
    adapter.head = drawn.float().to(F64)
    tensors = {"head": adapter.head.clone(), "rewards": rewards(decoder, [s["ids"] for s in sequences], adapter)}
    track = {"examples": [dict(s) for s in sequences], "batches": STEPS, "pairs": PAIRS}
    full = {**track, "adapter": adapter, "reference": None}
    named = peft_tensors(adapter)
    for tensor in named.values():
        tensor.requires_grad_(True)
    losses, _ = step_losses(decoder, [full], OBJECTIVE, 0, [{}])
    for key, gradient in zip(named, gradients_of(losses[0], list(named.values()))):
        tensors[f"grad.{key}"] = gradient
    for tensor in named.values():
        tensor.requires_grad_(False)
    steps = [
        {key: report[0][key] for key in ("loss", "gradNorm", "lr", "tokens")}
        for report in train(decoder, [full], COSINE, OBJECTIVE)
    ]
    tensors.update({f"final.{key}": tensor for key, tensor in named.items()})
    assert HEAD in named
    fixture = {"objective": OBJECTIVE, "optimiser": COSINE, "track": track, "loss": float(losses[0]), "steps": steps}
    print(directory, [round(step["loss"], 4) for step in steps])
    save_file({key: tensor.detach().float().contiguous() for key, tensor in tensors.items()},
              os.path.join(directory, "ranking.safetensors"))
    with open(os.path.join(directory, "ranking.json"), "w") as file:
        json.dump(fixture, file, indent=1)
        file.write("\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..", "tests", "fixtures", "golden")
    torch.set_num_threads(1)
    for name in MODELS:
        make(os.path.join(root, name))
        make(os.path.join(root, "int4", name))


if __name__ == "__main__":
    main()
