"""Fixtures of reward models: rewards, margin ranking with its gradients, and ten steps, by PyTorch's own differentiation.

    python3 tools/torch/make_ranking.py [tests/fixtures/golden]

Reads the models, adapters and sequences that make_fixtures.py wrote, gives `adapter` a head, and puts `ranking.json` and
`ranking.safetensors` beside them. As there, float64 from the stored weights, saved as float32.
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

from fixture_files import for_every_model, sequences_of, trained, write  # noqa: E402
from make_fixtures import COSINE, F64  # noqa: E402
from make_objectives import PAIRS, STEPS  # noqa: E402
from model import Decoder, rewards  # noqa: E402
from training import HEAD, read_adapter  # noqa: E402

OBJECTIVE = {"kind": "rank", "margin": 0.25}


def make(directory):
    sequences = sequences_of(directory)
    decoder = Decoder.read(directory, F64)
    adapter = read_adapter(os.path.join(directory, "adapter"), decoder.config, F64)
    width = decoder.config.hidden
    drawn = torch.randn(1, width, generator=torch.Generator().manual_seed(5), dtype=F64) / width**0.5
    adapter.head = drawn.float().to(F64)
    tensors = {"head": adapter.head.clone(), "rewards": rewards(decoder, [s["ids"] for s in sequences], adapter)}
    track = {"examples": [dict(s) for s in sequences], "batches": STEPS, "pairs": PAIRS}
    full = {**track, "adapter": adapter, "reference": None}
    loss, steps = trained(decoder, full, OBJECTIVE, {}, COSINE, tensors)
    assert f"final.{HEAD}" in tensors
    print(directory, [round(step["loss"], 4) for step in steps])
    fixture = {"objective": OBJECTIVE, "optimiser": COSINE, "track": track, "loss": loss, "steps": steps}
    write(directory, "ranking", fixture, tensors)


if __name__ == "__main__":
    for_every_model(make)
