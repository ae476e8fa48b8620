"""Sampling of completions for many rows at once, with named random numbers (Philox 4x32-10)."""
import numpy as np
import torch

from model import Cache, Lora

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


class NonFinite(Exception):
    """A logit is infinite or NaN: after `position` of request `row` (scoring), or at its token `position` (generation)."""

    def __init__(self, row, position):
        super().__init__(f"row {row}: the logits at {position} are not finite")
        self.place = {"row": row, "position": position}


def philox(counter, key):
    """Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

    counter: four uint64 arrays [n] holding 32-bit words; key: two likewise. Returns four arrays of 32-bit words.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for step in range(10):
        if step:
            k0 = (k0 + np.uint64(_W0)) & _LOW
            k1 = (k1 + np.uint64(_W1)) & _LOW
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
    return c0, c1, c2, c3


class Keys:
    """The random streams of n rows: key {seed, stream, iteration, agent, problem, round} each.

    key words = seed's low and high 32 bits; counter = (token index, problem, agent | round << 16,
    iteration | stream << 16).
    """

    def __init__(self, keys):
        def words(make):
            return np.array([make(key) for key in keys], dtype=np.uint64)

        self.key = (words(lambda k: k["seed"] & 0xFFFFFFFF), words(lambda k: (k["seed"] >> 32) & 0xFFFFFFFF))
        self.counter = (
            words(lambda k: k["problem"] & 0xFFFFFFFF),
            words(lambda k: (k["agent"] & 0xFFFF) | ((k["round"] & 0xFFFF) << 16)),
            words(lambda k: (k["iteration"] & 0xFFFF) | ((k["stream"] & 0xFFFF) << 16)),
        )

    def uniform(self, rows, token):
        """Uniform numbers in (0, 1), f64 [len(rows)], for these rows at this token index."""
        count = np.full(len(rows), token, dtype=np.uint64)
        counter = (count, *(words[rows] for words in self.counter))
        first = philox(counter, tuple(words[rows] for words in self.key))[0]
        return (first >> np.uint64(8)).astype(np.float64) * 2.0**-24 + 2.0**-25


def choose(logits, uniform, temperature, top_k, top_p):
    """Sample one token per row: f32 logits [n, V], u [n], temperature [n], top_k [n] (0 = off), top_p [n] (1 = off).

    Top-k keeps every token at least as likely as the k-th; top-p then keeps the smallest set of most likely tokens
    with mass >= p and whatever ties with its last one; the draw is the inverse of the cumulative sum in index order.
    Temperature 0 takes the largest logit (lowest index in a tie).
    """
    greedy = temperature <= 0
    chosen = logits.argmax(-1)
    if bool(greedy.all()):
        return chosen
    scaled = logits.double() / torch.where(greedy, torch.ones_like(temperature), temperature)[:, None]
    probability = scaled.softmax(-1)
    vocabulary = logits.shape[-1]
    if bool(((top_k > 0) & (top_k < vocabulary)).any()):
        limit = torch.where(top_k > 0, top_k.clamp(max=vocabulary), torch.full_like(top_k, vocabulary))
        sorted_logits = logits.sort(-1, descending=True).values
        threshold = sorted_logits.gather(1, limit[:, None] - 1)
        probability = torch.where(logits >= threshold, probability, torch.zeros_like(probability))
    if bool((top_p < 1).any()):
        probability = probability / probability.sum(-1, keepdim=True)
        ordered = probability.sort(-1, descending=True).values
        before = ordered.cumsum(-1) - ordered
        count = (before < top_p[:, None]).sum(-1).clamp(min=1)
        threshold = ordered.gather(1, count[:, None] - 1)
        threshold = torch.where((top_p < 1)[:, None], threshold, torch.zeros_like(threshold))
        probability = torch.where(probability >= threshold, probability, torch.zeros_like(probability))
    total = probability.cumsum(-1)
    drawn = (total > (uniform * total[:, -1])[:, None]).int().argmax(-1)
    return torch.where(greedy, chosen, drawn)


def group_rows(adapters):
    """An adapter (or None) per row, equal ones adjacent -> the Lora of these rows; None when no row has one."""
    groups = []
    for row, adapter in enumerate(adapters):
        if groups and groups[-1][0] is adapter:
            groups[-1][2] = row + 1
        else:
            groups.append([adapter, row, row + 1])
    return Lora(groups) if any(group[0] for group in groups) else None


@torch.no_grad()
def generate(decoder, requests, adapters=None, batch=384, pad=0):
    """Complete every request; results in the order of the requests.

    requests: dicts {ids, temperature, topK, topP, maxTokens, stopIds, key}; adapters: model.Adapter (or None) per
    request. Returns dicts {ids, logprobs, margins, finish}: sampled ids with the stop id where there is one,
    log-probability of each under the softmax of the raw logits, top-1 minus top-2 raw logit, "stop" or "length".
    """
    adapters = adapters or [None] * len(requests)
    results = [None] * len(requests)
    number = {}  # adapters in order of appearance
    for adapter in adapters:
        number.setdefault(id(adapter), len(number))
    # Rows of one adapter next to each other, and prompts of like length (little padding).
    order = sorted(range(len(requests)), key=lambda i: (number[id(adapters[i])], len(requests[i]["ids"]), i))
    for start in range(0, len(order), batch):
        _generate_batch(decoder, requests, order[start : start + batch], adapters, results, pad)
    return results


@torch.no_grad()
def generate_mixture(decoder, request, parts):
    """Complete one request, each token from Σ w_k softmax(logits_k / T); parts: (Adapter or None, w), Σ w = 1. Result as `generate`."""
    count, length = len(parts), len(request["ids"])
    most = min(request["maxTokens"], decoder.config.max_positions - length)
    cache = Cache(decoder.config, count, length + most, decoder.cos.dtype)
    lora = Lora([(adapter, row, row + 1) for row, (adapter, _) in enumerate(parts)])
    log_weights = torch.tensor([weight for _, weight in parts], dtype=torch.float64).log()[:, None]
    keys = Keys([request["key"]])
    setting = {
        name: torch.tensor([value], dtype=kind)
        for name, value, kind in (
            ("temperature", 1.0 if request["temperature"] > 0 else 0.0, torch.float64),
            ("topK", request["topK"], torch.long), ("topP", request["topP"], torch.float64),
        )
    }
    out = {"ids": [], "logprobs": [], "margins": [], "finish": "length"}
    hidden = decoder.hidden(torch.tensor([request["ids"]] * count), lora, cache)
    cache.lengths = torch.full((count,), length)
    last = hidden[:, -1]
    for token in range(most):
        logits = decoder.head(last).double()
        if not bool(logits.isfinite().all()):
            raise NonFinite(0, token)
        plain = torch.logsumexp(logits.log_softmax(-1) + log_weights, 0)
        scaled = logits / (request["temperature"] or 1.0)
        mixed = torch.logsumexp(scaled.log_softmax(-1) + log_weights, 0)
        uniform = torch.from_numpy(keys.uniform(np.array([0]), token))
        chosen = int(choose(mixed[None], uniform, setting["temperature"], setting["topK"], setting["topP"])[0])
        top = plain.topk(2).values
        out["ids"].append(chosen)
        out["logprobs"].append(float(plain[chosen]))
        out["margins"].append(float(top[0] - top[1]))
        if chosen in request["stopIds"]:
            out["finish"] = "stop"
            break
        if token + 1 < most:
            last = decoder.hidden(torch.full((count, 1), chosen), lora, cache)[:, 0]
    return out


def _generate_batch(decoder, requests, chunk, adapters, results, pad):
    lengths = [len(requests[i]["ids"]) for i in chunk]
    longest = max(lengths)
    most = max(requests[i]["maxTokens"] for i in chunk)
    ids = torch.full((len(chunk), longest), pad, dtype=torch.long)
    for row, i in enumerate(chunk):
        ids[row, : lengths[row]] = torch.tensor(requests[i]["ids"])
    capacity = min(longest + most, decoder.config.max_positions)
    cache = Cache(decoder.config, len(chunk), capacity, decoder.cos.dtype)

    def lora_of(rows):
        return group_rows([adapters[chunk[row]] for row in rows])

    keys = Keys([requests[i]["key"] for i in chunk])
    setting = {
        name: torch.tensor([requests[i][name] for i in chunk], dtype=kind)
        for name, kind in (("temperature", torch.float64), ("topK", torch.long), ("topP", torch.float64))
    }
    out = [{"ids": [], "logprobs": [], "margins": [], "finish": "length"} for _ in chunk]
    stops = [frozenset(requests[i]["stopIds"]) for i in chunk]
    limits = [min(requests[i]["maxTokens"], capacity - lengths[row]) for row, i in enumerate(chunk)]
    alive = [row for row in range(len(chunk)) if limits[row] > 0]

    hidden = decoder.hidden(ids, lora_of(range(len(chunk))), cache)
    cache.lengths = torch.tensor(lengths)
    last = hidden[torch.arange(len(chunk)), cache.lengths - 1]
    if len(alive) < len(chunk):
        cache.keep(torch.tensor(alive, dtype=torch.long))
        last = last[alive]
    lora, token = lora_of(alive), 0
    while alive:
        logits = decoder.head(last)
        broken = (~logits.isfinite().all(-1)).nonzero()
        if len(broken):
            raise NonFinite(chunk[alive[int(broken[0])]], token)
        index = np.array(alive)
        uniform = torch.from_numpy(keys.uniform(index, token))
        chosen = choose(logits, uniform, *(setting[name][index] for name in ("temperature", "topK", "topP")))
        logprob = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        top = logits.topk(2, -1).values
        keep = []
        for place, (row, choice, value, margin) in enumerate(
            zip(alive, chosen.tolist(), logprob.tolist(), (top[:, 0] - top[:, 1]).tolist())
        ):
            result = out[row]
            result["ids"].append(choice)
            result["logprobs"].append(value)
            result["margins"].append(margin)
            if choice in stops[row]:
                result["finish"] = "stop"
            elif token + 1 < limits[row]:
                keep.append(place)
        if not keep:
            break
        if len(keep) < len(alive):
            alive = [alive[place] for place in keep]
            cache.keep(torch.tensor(keep))
            chosen = chosen[keep]
            lora = lora_of(alive)
        last = decoder.hidden(chosen[:, None], lora, cache)[:, 0]
        token += 1
    for row, i in enumerate(chunk):
        results[i] = out[row]
