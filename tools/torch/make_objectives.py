"""Fixtures of the objectives beyond plain finetuning: losses, gradients and ten steps by PyTorch's own differentiation. Also
embeddings of the sequences.

    python3 tools/torch/make_objectives.py [tests/fixtures/golden]

Reads the models, adapters and sequences that make_fixtures.py wrote and puts `objectives.json` and
`objectives.safetensors` beside them. As there, float64 from the stored weights, saved as float32.
"""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from fixture_files import for_every_model, sequences_of, trained, write  # noqa: E402
from make_fixtures import CONSTANT, COSINE, F64  # noqa: E402
from model import Decoder, embedding  # noqa: E402
from training import read_adapter, reference_scores  # noqa: E402

PAIRS = [{"chosen": c, "rejected": r} for c, r in ((0, 1), (2, 1), (4, 3), (2, 0), (3, 4), (1, 2))]
DESIRABLE = [True, False, True, False, True]
# The signs of an advantage: what an agent did better than its group is learned, what it did worse is unlearned.
SIGNS = [1.0, -0.5, 0.75, -1.0, 0.25]
STEPS = [[0, 1], [2, 3], [4], [5, 0], [1, 2, 3], [4, 5], [0], [3, 1], [2, 5], [4, 0]]
OBJECTIVES = {
    "signed": {"objective": "sft", "optimiser": CONSTANT},
    "dpo": {"objective": {"kind": "dpo", "beta": 0.1}, "optimiser": COSINE},
    "dpo_adapter": {"objective": {"kind": "dpo", "beta": 0.5}, "optimiser": CONSTANT, "reference": "adapter2"},
    "kto": {"objective": {"kind": "kto", "beta": 0.1, "desirable": 1.0, "undesirable": 1.5}, "optimiser": COSINE},
    "kto_mismatched": {"objective": {"kind": "kto", "beta": 0.3, "desirable": 1.0, "undesirable": 1.0},
                       "optimiser": CONSTANT, "mismatched": [[(s + 2) % 5, (s + 3) % 5] for s in range(10)]},
}


def track_of(name, sequences):
    setting = OBJECTIVES[name]
    examples = [dict(sequence) for sequence in sequences]
    track = {"examples": examples, "batches": [[i % 5 for i in batch] for batch in STEPS]}
    track["batches"] = [list(dict.fromkeys(batch)) for batch in track["batches"]]
    if name == "signed":
        for example, sign in zip(examples, SIGNS):
            example["weights"] = [sign * w for w in example["weights"]]
    elif name.startswith("dpo"):
        track.update(batches=STEPS, pairs=PAIRS)
    else:
        for example, desirable in zip(examples, DESIRABLE):
            example["desirable"] = desirable
        if "mismatched" in setting:
            track["mismatched"] = setting["mismatched"]
    return track


def make(directory):
    sequences = sequences_of(directory)
    decoder = Decoder.read(directory, F64)
    read = lambda name: read_adapter(os.path.join(directory, name), decoder.config, F64)  # noqa: E731
    fixtures, tensors = {}, {}
    for name, setting in OBJECTIVES.items():
        objective, track = setting["objective"], track_of(name, sequences)
        reference = setting.get("reference")
        full = {**track, "adapter": read("adapter"), "reference": reference and read(reference)}
        references = None if objective == "sft" else reference_scores(decoder, full, objective)
        loss, steps = trained(decoder, full, objective, references, setting["optimiser"], tensors, f"{name}.")
        fixtures[name] = {"objective": objective, "optimiser": setting["optimiser"], "reference": reference,
                          "track": track, "loss": loss, "steps": steps}
        print(directory, name, [round(step["loss"], 4) for step in steps])
    for suffix, adapter in (("", None), (".adapter", read("adapter"))):
        for index, sequence in enumerate(sequences):
            tensors[f"embedding{suffix}.{index}"] = embedding(decoder, sequence["ids"], adapter)
    write(directory, "objectives", fixtures, tensors)


if __name__ == "__main__":
    for_every_model(make)
