"""What the makers of fixtures share that differentiate steps of training: reading sequences, one step's gradients, ten steps, files."""
import json
import os
import sys

import torch

from make_fixtures import MODELS
from safetensors_io import save_file
from training import gradients_of, peft_tensors, step_losses, train


def sequences_of(directory):
    """The sequences that make_fixtures.py wrote into the directory."""
    with open(os.path.join(directory, "golden.json")) as file:
        return json.load(file)["sequences"]


def trained(decoder, full, objective, references, optimiser, tensors, prefix=""):
    """Puts the first step's gradients and the adapter after all steps among the tensors; returns the first loss and a report a step."""
    named = peft_tensors(full["adapter"])
    for tensor in named.values():
        tensor.requires_grad_(True)
    losses, _ = step_losses(decoder, [full], objective, 0, [references])
    for key, gradient in zip(named, gradients_of(losses[0], list(named.values()))):
        tensors[f"{prefix}grad.{key}"] = gradient
    for tensor in named.values():
        tensor.requires_grad_(False)
    steps = [
        {key: report[0][key] for key in ("loss", "gradNorm", "lr", "tokens")}
        for report in train(decoder, [full], optimiser, objective)
    ]
    tensors.update({f"{prefix}final.{key}": tensor for key, tensor in named.items()})
    return float(losses[0]), steps


def write(directory, name, fixture, tensors):
    """`name.json` and, as float32, `name.safetensors`."""
    save_file({key: tensor.detach().float().contiguous() for key, tensor in tensors.items()},
              os.path.join(directory, f"{name}.safetensors"))
    with open(os.path.join(directory, f"{name}.json"), "w") as file:
        json.dump(fixture, file, indent=1)
        file.write("\n")


def for_every_model(make):
    """Makes the fixtures of every model, whole and in int4, in the folder that the command line names."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "..", "tests", "fixtures", "golden")
    torch.set_num_threads(1)
    for name in MODELS:
        make(os.path.join(root, name))
        make(os.path.join(root, "int4", name))
