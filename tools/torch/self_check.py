"""Checks of the PyTorch engine against itself and the fixtures.

    python3 tools/torch/self_check.py

Philox against Random123's known answers, a mixed batch against single rows, cached decoding against a full forward
pass, gradients against finite differences, training of two tracks at once against the golden files, sampling
frequencies against the distribution.
"""
import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402
import torch  # noqa: E402

from engine_server import Server, encode  # noqa: E402
from model import Decoder, Lora  # noqa: E402
from safetensors_io import load_file  # noqa: E402
from sampling import Keys, choose, philox  # noqa: E402
from training import batch_losses, gradients_of, peft_tensors, read_adapter, train  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "fixtures", "golden")
failures = []


def check(name, error, limit):
    print(f"{'ok  ' if error <= limit else 'FAIL'} {name}: {error:.3g} (limit {limit:g})")
    if not error <= limit:
        failures.append(name)


def check_philox():
    # kat_vectors of Random123 (D. E. Shaw Research), philox4x32 10
    vectors = [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
         [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ]
    for counter, key, expected in vectors:
        words = philox([np.array([w], np.uint64) for w in counter], [np.array([w], np.uint64) for w in key])
        check("philox known answer", float([int(w[0]) for w in words] != expected), 0)


def key(problem, seed=7):
    return {"seed": seed, "stream": 1, "iteration": 2, "agent": 3, "problem": problem, "round": 1}


def check_sampling():
    logits = torch.tensor([2.0, 1.0, 0.5, 0.5, -1.0, -3.0])
    draws = 100000
    uniform = torch.from_numpy(Keys([key(i) for i in range(draws)]).uniform(np.arange(draws), 0))
    for temperature, top_k, top_p in ((1.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.8)):
        probability = (logits.double() / temperature).softmax(-1)
        if top_k:
            probability[logits < logits.sort(descending=True).values[top_k - 1]] = 0
        if top_p < 1:  # 0.53 + 0.2 + 0.12 reaches 0.8 inside the tie of tokens 2 and 3
            probability[4:] = 0
        probability /= probability.sum()
        drawn = choose(logits.expand(draws, -1), uniform, *(torch.full((draws,), v, dtype=t) for v, t in (
            (temperature, torch.float64), (top_k, torch.long), (top_p, torch.float64))))
        counts = torch.bincount(drawn, minlength=6).double()
        kept = probability > 0
        statistic = ((counts - draws * probability)[kept] ** 2 / (draws * probability[kept])).sum()
        check(f"sampling chi-square T={temperature} k={top_k} p={top_p}", float(statistic + 1e9 * counts[~kept].sum()), 22)


def check_golden(name):
    directory = os.path.join(ROOT, name)
    golden, tensors = json.load(open(os.path.join(directory, "golden.json"))), load_file(os.path.join(directory, "golden.safetensors"))
    decoder = Decoder.read(directory)
    adapters = [None, *(read_adapter(os.path.join(directory, a), decoder.config) for a in ("adapter", "adapter2"))]
    sequences = [s["ids"] for s in golden["sequences"]]
    error = 0.0
    # All sequences under all adapters in one padded batch.
    longest = max(map(len, sequences))
    ids = torch.tensor([s + [0] * (longest - len(s)) for _ in adapters for s in sequences])
    groups = [(a, i * len(sequences), (i + 1) * len(sequences)) for i, a in enumerate(adapters)]
    with torch.no_grad():
        logits = decoder.logits(ids, Lora(groups))
    for i, suffix in enumerate(("", ".adapter", ".adapter2")):
        for j, sequence in enumerate(sequences):
            expected = tensors[f"logits{suffix}.{j}"]
            found = logits[i * len(sequences) + j, : len(sequence)]
            error = max(error, float((found - expected).abs().max() / expected.abs().max()))
    check(f"{name} logits of a mixed batch, relative", error, 1e-5)

    named = peft_tensors(adapters[1])
    parameters = [t.requires_grad_(True) for t in named.values()]
    losses, _ = batch_losses(decoder, [(adapters[1], golden["sequences"])])
    error = max(
        float((found - tensors[f"grad.{n}"]).norm() / tensors[f"grad.{n}"].norm())
        for n, found in zip(named, gradients_of(losses[0], parameters))
    )
    check(f"{name} gradients, relative", error, 1e-4)

    for kind, run in golden["training"].items():
        # A second track in the same batch must not disturb the first.
        first, second = (read_adapter(os.path.join(directory, a), decoder.config) for a in ("adapter", "adapter2"))
        tracks = [{"adapter": first, "examples": golden["sequences"], "batches": run["batches"]},
                  {"adapter": second, "examples": golden["sequences"], "batches": run["batches"][3:]}]
        reports = list(train(decoder, tracks, run["optimiser"]))
        error = max(
            max(abs(report[0][k] / step[k] - 1) for k in ("loss", "gradNorm")) for report, step in zip(reports, run["steps"])
        )
        check(f"{name} ten steps, {kind}: loss and gradient norm, relative", error, 2e-3)
        final = peft_tensors(first)
        error = max(float((final[n] - tensors[run["prefix"] + n]).norm() / tensors[run["prefix"] + n].norm()) for n in final)
        check(f"{name} ten steps, {kind}: final tensors, relative", error, 5e-3)


def check_gradient_numerically():
    directory = os.path.join(ROOT, "qwen3")
    golden = json.load(open(os.path.join(directory, "golden.json")))
    decoder = Decoder.read(directory, torch.float64)
    adapter = read_adapter(os.path.join(directory, "adapter"), decoder.config, torch.float64)
    parameters = list(peft_tensors(adapter).values())
    for parameter in parameters:
        parameter.requires_grad_(True)
    gradients = gradients_of(batch_losses(decoder, [(adapter, golden["sequences"])])[0][0], parameters)
    worst, step = 0.0, 1e-5
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients):
            direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
            values = []
            for sign in (1, -2, 1):  # up, down, back
                parameter += sign * step * direction
                values.append(float(batch_losses(decoder, [(adapter, golden["sequences"])])[0][0]))
            expected = float((gradient * direction).sum())
            worst = max(worst, abs((values[0] - values[1]) / (2 * step) - expected) / max(abs(expected), 1e-3))
    check("qwen3 gradient against central differences", worst, 1e-5)


def check_server():
    directory = os.path.join(ROOT, "qwen2")
    server = Server(batch=8)
    config = server.handle({"cmd": "load", "dir": directory}, None)["config"]
    for name in ("adapter", "adapter2"):
        fields = json.load(open(os.path.join(directory, name, "adapter_config.json")))
        tensors = load_file(os.path.join(directory, name, "adapter_model.safetensors"))
        server.handle({"cmd": "import", "name": name, "config": fields,
                       "tensors": {n: encode(t) for n, t in tensors.items()}}, None)
    requests = [
        {"ids": [(7 * i + j) % config["vocab_size"] for j in range(1 + i % 5)], "adapter": [None, "adapter", "adapter2"][i % 3],
         "temperature": 0.0 if i % 7 == 0 else 0.8, "topK": 0 if i % 2 else 20, "topP": 1.0 if i % 4 else 0.9,
         "maxTokens": 3 + i % 9, "stopIds": [4, 5], "key": key(i)}
        for i in range(40)
    ]
    together = server.handle({"cmd": "generate", "requests": requests}, None)
    alone = [server.handle({"cmd": "generate", "requests": [r]}, None)[0] for r in requests]
    check("generate: ids of a mixed batch as alone", float(sum(a["ids"] != b["ids"] for a, b in zip(together, alone))), 0)
    check("generate: finish", float(any((r["ids"][-1] in (4, 5)) != (r["finish"] == "stop") for r in together)), 0)
    scores = server.handle({"cmd": "score", "requests": [
        {"ids": r["ids"] + c["ids"], "adapter": r["adapter"]} for r, c in zip(requests, together)]}, None)
    error = max(abs(s - l) for r, c, row in zip(requests, together, scores)
                for s, l in zip(row[len(r["ids"]) - 1 :], c["logprobs"]))
    check("generate: log-probabilities as score gives them", error, 1e-4)
    exported = server.handle({"cmd": "export", "name": "adapter"}, None)
    server.handle({"cmd": "import", "name": "again", "config": exported["config"], "tensors": exported["tensors"]}, None)
    pair = [server.handle({"cmd": "export", "name": n}, None)["tensors"] for n in ("adapter", "again")]
    check("export, import, export", float(pair[0] != pair[1]), 0)


def main():
    torch.set_num_threads(1)
    check_philox()
    check_sampling()
    for name in ("llama", "qwen2", "qwen3"):
        check_golden(name)
    check_gradient_numerically()
    check_server()
    sys.exit(f"failed: {', '.join(failures)}" if failures else 0)


if __name__ == "__main__":
    main()
