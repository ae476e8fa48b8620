"""The lab's engine played by PyTorch, for long experiments on a processor: JSON lines on stdin and stdout.

    python3 tools/torch/engine_server.py [--threads 1] [--batch 512]

One request per line with a field `id`; the reply is {"id", "result"} or {"id", "error"}, with
"place": {row, position} where a logit is infinite or NaN. `train` first sends one
{"id", "event"} per step. Tensors travel as base64 of little-endian float32 under PEFT's names, row-major.

    load      {dir}                                      -> {config, tensors: count}
    create    {name, rank, alpha, targets, a: {name: base64}}   A as given, B zero -> {parameters}
    import    {name, config: {r, lora_alpha}, tensors: {name: base64}} -> {parameters}
    export    {name}   -> {config: {r, lora_alpha, target_modules}, tensors: {name: base64}, shapes: {name: [..]}}
    copy      {from, to};  delete {name};  list {}
    generate  {requests: [{ids, adapter, temperature, topK, topP, maxTokens, stopIds, key, mixture?: [{adapter, weight}]}]}
              -> [{ids, logprobs, margins, finish}]
    score     {requests: [{ids, adapter}]}               -> [[log-probability of ids[1], ids[2], ...], ...]
    embed     {requests: [{ids, adapter}]}               -> [[mean hidden state after the final norm], ...]
    reward    {requests: [{ids, adapter}]}               -> [the adapter's head times the last hidden state, ...]
    train     {tracks: [{adapter, examples: [{ids, weights, reference?, desirable?}], batches, pairs?, mismatched?, reference?}],
               optimiser, objective: "sft" | {kind: "dpo" | "kto" | "rank", ...}}
              events {step, tracks: [{adapter, loss, gradNorm, lr, tokens, peak, again}]} (see training.train), result {steps}
    quit      {}

The same requests give the same results on one machine with one thread count and one batch size.
"""
import argparse
import base64
import json
import os
import sys

# One thread of OpenBLAS beside torch's own: with both spinning, the matrices of these sizes take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402
import torch  # noqa: E402

from model import TARGETS, Adapter, Decoder, embedding, rewards  # noqa: E402
from sampling import NonFinite, generate, generate_mixture, group_rows  # noqa: E402
from training import HEAD, from_peft, peft_name, peft_tensors, train  # noqa: E402


def decode(text, shape):
    """base64 of float32 -> tensor of that shape. Raises ValueError when the size differs."""
    array = np.frombuffer(base64.b64decode(text), dtype="<f4")
    if array.size != np.prod(shape):
        raise ValueError(f"a tensor of shape {list(shape)} needs {np.prod(shape)} numbers, got {array.size}")
    return torch.from_numpy(array.reshape(shape).copy())


def encode(tensor):
    return base64.b64encode(tensor.detach().float().contiguous().numpy().astype("<f4").tobytes()).decode()


class Server:
    def __init__(self, batch):
        self.batch = batch
        self.decoder = None
        self.adapters = {}

    def _adapter(self, name):
        if name is None:
            return None
        if name not in self.adapters:
            raise ValueError(f"adapter {name} is not loaded")
        return self.adapters[name]

    def load(self, request):
        self.decoder = Decoder.read(request["dir"])
        self.adapters = {}
        return {"config": self.decoder.config.fields, "tensors": len(self.decoder.weights)}

    def create(self, request):
        config, rank = self.decoder.config, request["rank"]
        pairs = {}
        for layer in range(config.layers):
            for target in request["targets"]:
                out, width = config.shape(target)
                a = decode(request["a"][peft_name(layer, target, "A")], (rank, width))
                pairs[layer, target] = (a, torch.zeros(out, rank))
        return self._store(request["name"], Adapter(rank, request["alpha"], pairs))

    def _store(self, name, adapter):
        self.adapters[name] = adapter
        return {"parameters": sum(t.numel() for t in adapter.parameters())}

    def import_(self, request):
        config, rank = self.decoder.config, request["config"]["r"]
        tensors = {}
        for layer in range(config.layers):
            for target in TARGETS:
                out, width = config.shape(target)
                for matrix, shape in (("A", (rank, width)), ("B", (out, rank))):
                    name = peft_name(layer, target, matrix)
                    if name in request["tensors"]:
                        tensors[name] = decode(request["tensors"][name], shape)
        if HEAD in request["tensors"]:
            tensors[HEAD] = decode(request["tensors"][HEAD], (1, config.hidden))
        unknown = sorted(set(request["tensors"]) - set(tensors))
        if unknown:
            raise ValueError(f"adapter {request['name']}: unknown tensor {unknown[0]}")
        return self._store(request["name"], from_peft(config, rank, request["config"]["lora_alpha"], tensors))

    def export(self, request):
        adapter = self._adapter(request["name"])
        tensors = peft_tensors(adapter)
        used = {target for _, target in adapter.tensors}
        return {
            "config": {"r": adapter.rank, "lora_alpha": adapter.alpha, "target_modules": [t for t in TARGETS if t in used]},
            "tensors": {name: encode(tensor) for name, tensor in tensors.items()},
            "shapes": {name: list(tensor.shape) for name, tensor in tensors.items()},
        }

    def copy(self, request):
        source = self._adapter(request["from"])
        pairs = {key: (a.clone(), b.clone()) for key, (a, b) in source.tensors.items()}
        head = None if source.head is None else source.head.clone()
        return self._store(request["to"], Adapter(source.rank, source.alpha, pairs, head))

    def delete(self, request):
        self._adapter(request["name"])
        del self.adapters[request["name"]]
        return {}

    def list(self, _request):
        return sorted(self.adapters)

    def generate(self, request):
        rows = request["requests"]
        plain = [i for i, row in enumerate(rows) if not row.get("mixture")]
        adapters = [self._adapter(rows[i].get("adapter")) for i in plain]
        results = [None] * len(rows)
        try:
            for i, result in zip(plain, generate(self.decoder, [rows[i] for i in plain], adapters, self.batch)):
                results[i] = result
        except NonFinite as error:
            raise NonFinite(plain[error.place["row"]], error.place["position"]) from error
        for i, row in enumerate(rows):
            if results[i] is not None:
                continue
            parts = [(self._adapter(part["adapter"]), part["weight"]) for part in row["mixture"]]
            try:
                results[i] = generate_mixture(self.decoder, row, parts)
            except NonFinite as error:
                raise NonFinite(i, error.place["position"]) from error
        return results

    @torch.no_grad()
    def score(self, request):
        rows = request["requests"]
        order = sorted(range(len(rows)), key=lambda i: (rows[i].get("adapter") or "", len(rows[i]["ids"]), i))
        results = [None] * len(rows)
        for start in range(0, len(order), self.batch):
            chunk = order[start : start + self.batch]
            ids = torch.zeros((len(chunk), max(len(rows[i]["ids"]) for i in chunk)), dtype=torch.long)
            for row, i in enumerate(chunk):
                ids[row, : len(rows[i]["ids"])] = torch.tensor(rows[i]["ids"])
            logits = self.decoder.logits(ids, group_rows([self._adapter(rows[i].get("adapter")) for i in chunk]))
            found = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
            finite = logits.isfinite().all(-1)
            for row, i in enumerate(chunk):
                broken = (~finite[row, : len(rows[i]["ids"]) - 1]).nonzero()
                if len(broken):
                    raise NonFinite(i, int(broken[0]))
                results[i] = found[row, : len(rows[i]["ids"]) - 1].tolist()
        return results

    @torch.no_grad()
    def embed(self, request):
        rows = request["requests"]
        return [embedding(self.decoder, row["ids"], self._adapter(row.get("adapter"))).tolist() for row in rows]

    @torch.no_grad()
    def reward(self, request):
        return [float(rewards(self.decoder, [row["ids"]], self._adapter(row.get("adapter")))[0]) for row in request["requests"]]

    def train(self, request, event):
        tracks = [
            {**t, "adapter": self._adapter(t["adapter"]), "reference": self._adapter(t.get("reference"))}
            for t in request["tracks"]
        ]
        names = [t["adapter"] for t in request["tracks"]]
        if None in names or len(set(names)) < len(names):
            raise ValueError("every track needs an adapter of its own")
        steps = 0
        for report in train(self.decoder, tracks, request["optimiser"], request["objective"]):
            event({"step": steps, "tracks": [{"adapter": names[e.pop("track")], **e} for e in report]})
            steps += 1
        return {"steps": steps}

    def handle(self, request, event):
        command = request["cmd"]
        if command not in COMMANDS:
            raise ValueError(f"unknown command {command}; known: {', '.join(COMMANDS)}")
        if self.decoder is None and command not in ("load", "list"):
            raise ValueError("no model is loaded")
        if command == "train":
            return self.train(request, event)
        return getattr(self, "import_" if command == "import" else command)(request)


COMMANDS = ("load", "create", "import", "export", "copy", "delete", "list", "generate", "score", "embed", "reward",
            "train")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=512, help="rows generated or scored at once")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    server = Server(arguments.batch)

    def send(message):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    for line in sys.stdin:
        if not line.strip():
            continue
        number = None
        try:
            request = json.loads(line)
            number = request.get("id")
            if request.get("cmd") == "quit":
                send({"id": number, "result": {}})
                return
            result = server.handle(request, lambda event, number=number: send({"id": number, "event": event}))
            send({"id": number, "result": result})
        except NonFinite as error:
            send({"id": number, "error": f"{error}", "place": error.place})
        except Exception as error:  # a bad request must not end the experiment
            text = f"missing field {error}" if isinstance(error, KeyError) else f"{error}"
            send({"id": number, "error": text or type(error).__name__})


if __name__ == "__main__":
    main()
