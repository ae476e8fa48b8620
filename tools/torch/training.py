"""LoRA finetuning of any number of adapters in one batch, and PEFT's adapter files."""
import json
import math
import os

import torch
import torch.nn.functional as F

from model import BLOCK, TARGETS, Adapter, Lora, rewards
from safetensors_io import load_file, save_file


def peft_name(layer, target, matrix):
    """PEFT's name of a tensor; matrix is "A" or "B"."""
    return f"base_model.model.model.layers.{layer}.{BLOCK[target]}.{target}.lora_{matrix}.weight"


# PEFT's name of the head of a model for classification of sequences (modules_to_save).
HEAD = "base_model.model.score.weight"


def peft_tensors(adapter):
    """PEFT name -> tensor, in the order of adapter.parameters()."""
    tensors = {
        peft_name(layer, target, matrix): tensor
        for (layer, target), pair in adapter.tensors.items()
        for matrix, tensor in zip("AB", pair)
    }
    return tensors if adapter.head is None else {**tensors, HEAD: adapter.head}


def from_peft(config, rank, alpha, tensors, dtype=torch.float32):
    """Adapter from PEFT-named tensors. Raises ValueError for a name or a shape that does not fit the model."""
    rest = dict(tensors)
    pairs = {}
    head = rest.pop(HEAD, None)
    if head is not None and tuple(head.shape) != (1, config.hidden):
        raise ValueError(f"adapter: the head needs the shape [1, {config.hidden}]")
    for layer in range(config.layers):
        for target in TARGETS:
            a = rest.pop(peft_name(layer, target, "A"), None)
            b = rest.pop(peft_name(layer, target, "B"), None)
            if a is None and b is None:
                continue
            out, width = config.shape(target)
            if a is None or b is None or tuple(a.shape) != (rank, width) or tuple(b.shape) != (out, rank):
                raise ValueError(f"adapter: layer {layer} {target} needs A [{rank}, {width}] and B [{out}, {rank}]")
            pairs[layer, target] = (a.to(dtype), b.to(dtype))
    if rest:
        raise ValueError(f"adapter: unknown tensor {sorted(rest)[0]}")
    return Adapter(rank, alpha, pairs, None if head is None else head.to(dtype))


def read_adapter(directory, config, dtype=torch.float32):
    """Adapter from a PEFT directory (adapter_config.json and adapter_model.safetensors)."""
    with open(os.path.join(directory, "adapter_config.json")) as file:
        fields = json.load(file)
    tensors = load_file(os.path.join(directory, "adapter_model.safetensors"))
    return from_peft(config, fields["r"], fields["lora_alpha"], tensors, dtype)


def write_adapter(directory, adapter, base=""):
    """Write a PEFT directory with the fields that PEFT's LoraConfig writes."""
    os.makedirs(directory, exist_ok=True)
    used = {target for _, target in adapter.tensors}
    fields = {
        "auto_mapping": None, "base_model_name_or_path": base, "bias": "none", "fan_in_fan_out": False,
        "inference_mode": True, "init_lora_weights": True, "layer_replication": None,
        "layers_pattern": None, "layers_to_transform": None, "loftq_config": {}, "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0, "megatron_config": None, "megatron_core": "megatron.core",
        "modules_to_save": None if adapter.head is None else ["classifier", "score"],
        "peft_type": "LORA", "r": adapter.rank, "rank_pattern": {}, "alpha_pattern": {}, "revision": None,
        "target_modules": [target for target in TARGETS if target in used], "task_type": "CAUSAL_LM" if adapter.head is None else "SEQ_CLS",
        "use_dora": False, "use_rslora": False,
    }
    with open(os.path.join(directory, "adapter_config.json"), "w") as file:
        json.dump(fields, file, indent=2)
        file.write("\n")
    tensors = {name: tensor.float() for name, tensor in peft_tensors(adapter).items()}
    save_file(tensors, os.path.join(directory, "adapter_model.safetensors"))


def learning_rate(step, total, optimiser):
    """Rate of step `step` (from 0) of `total`: transformers' get_*_schedule_with_warmup."""
    warmup = optimiser.get("warmupSteps", 0)
    if step < warmup:
        return optimiser["lr"] * step / max(1, warmup)
    schedule = optimiser.get("schedule", "constant")
    if schedule == "constant":
        return optimiser["lr"]
    progress = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return optimiser["lr"] * max(0.0, 1 - progress)
    if schedule == "cosine":
        return optimiser["lr"] * max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))
    raise ValueError(f"schedule {schedule} is not known: constant, linear or cosine")


def nll_of(decoder, tracks):
    """Negative log-likelihoods of the tokens that count, of all rows of all tracks in one forward pass.

    tracks: list of (adapter or None, examples), an example being {ids, weights}, weights[t] belonging to the
    prediction of ids[t] (weights[0] is ignored). Returns (nll [n], weight [n], row [n], track of each row).
    """
    rows, groups = [], []
    for adapter, examples in tracks:
        groups.append((adapter, len(rows), len(rows) + len(examples)))
        rows.extend(examples)
    length = max(len(row["ids"]) for row in rows)
    ids = torch.zeros((len(rows), length), dtype=torch.long)
    weights = torch.zeros((len(rows), length), dtype=decoder.cos.dtype)
    for index, row in enumerate(rows):
        ids[index, : len(row["ids"])] = torch.tensor(row["ids"])
        weights[index, : len(row["ids"])] = torch.tensor(row["weights"], dtype=weights.dtype)
    hidden = decoder.hidden(ids[:, :-1], Lora(groups))
    # Logits only where a token counts.
    row, place = (weights[:, 1:] != 0).nonzero(as_tuple=True)
    logits = decoder.head(hidden[row, place])
    # A logit of -inf would go unnoticed: the product is 0, or NaN where one is not finite.
    poison = logits.detach().sum(-1) * 0
    nll = F.cross_entropy(logits, ids[row, place + 1], reduction="none") + poison
    weight = weights[row, place + 1]
    track = torch.zeros(len(rows), dtype=torch.long)
    for number, (_, start, end) in enumerate(groups):
        track[start:end] = number
    return nll, weight, row, track


def batch_losses(decoder, tracks):
    """Loss Σ w·nll / Σ |w| of every track. Returns (losses [len(tracks)], weighted tokens per track)."""
    nll, weight, row, track = nll_of(decoder, tracks)
    zero = torch.zeros(len(tracks), dtype=weight.dtype)
    mass = zero.index_add(0, track[row], weight.abs())
    if not bool((mass > 0).all()):
        raise ValueError("a batch without a weighted token")
    counts = torch.bincount(track[row], minlength=len(tracks)).tolist()
    return zero.index_add(0, track[row], nll * weight) / mass, counts


def sequence_scores(decoder, tracks):
    """π = Σ w·log p of every row of every track: a list of tensors [rows]."""
    nll, weight, row, track = nll_of(decoder, tracks)
    scores = torch.zeros(len(track), dtype=weight.dtype).index_add(0, row, -nll * weight)
    return [scores[track == number] for number in range(len(tracks))]


def dpo_loss(policy, reference, pairs, beta):
    """Rafailov et al. 2023, equation 7; policy and reference: π by example, pairs: (chosen, rejected)."""
    ratio = {index: policy[index] - reference[index] for index in policy}
    return torch.stack([-F.logsigmoid(beta * (ratio[c] - ratio[r])) for c, r in pairs]).mean()


def kto_loss(policy, reference, batch, mismatched, desirable, objective):
    """TRL's KTOTrainer: λ_D (1 − σ(β (r − z))) and λ_U (1 − σ(β (z − r))), z = max(0, mean r of the mismatched), detached."""
    ratio = {index: policy[index] - reference[index] for index in policy}
    drift = torch.stack([ratio[i] for i in mismatched]).mean().detach().clamp(min=0) if mismatched else 0.0
    terms = [
        objective["desirable"] * (1 - torch.sigmoid(objective["beta"] * (ratio[i] - drift))) if desirable[i]
        else objective["undesirable"] * (1 - torch.sigmoid(objective["beta"] * (drift - ratio[i])))
        for i in batch
    ]
    return torch.stack(terms).mean()


def rank_loss(reward, pairs, margin):
    """Touvron et al. 2023, equation 2; reward: by example, pairs: (chosen, rejected)."""
    return torch.stack([-F.logsigmoid(reward[c] - reward[r] - margin) for c, r in pairs]).mean()


def step_examples(track, objective, step):
    """Indices of the examples that a step scores, each once."""
    batch = track["batches"][step]
    if objective["kind"] in ("dpo", "rank"):
        batch = [i for pair in batch for i in (track["pairs"][pair]["chosen"], track["pairs"][pair]["rejected"])]
    elif track.get("mismatched"):
        batch = [*batch, *track["mismatched"][step]]
    return list(dict.fromkeys(batch))


def reference_scores(decoder, track, objective):
    """π under the reference of every example that any step scores: given, or by the reference adapter (None: the base)."""
    if objective["kind"] == "rank":
        return {}
    needed = sorted({i for step in range(len(track["batches"])) for i in step_examples(track, objective, step)})
    known = {i: track["examples"][i].get("reference") for i in needed}
    missing = [i for i in needed if known[i] is None]
    if missing:
        with torch.no_grad():
            (found,) = sequence_scores(decoder, [(track.get("reference"), [track["examples"][i] for i in missing])])
        known.update(zip(missing, found))
    return known


def step_losses(decoder, tracks, objective, step, references):
    """(losses of the tracks, weighted tokens of their sequences) in one step; "sft" or {kind: dpo | kto | rank, ...}."""
    if objective == "sft":
        rows = [(t["adapter"], [t["examples"][j] for j in t["batches"][step]]) for t in tracks]
        return batch_losses(decoder, rows)
    indices = [step_examples(t, objective, step) for t in tracks]
    rows = [(t["adapter"], [t["examples"][i] for i in chosen]) for t, chosen in zip(tracks, indices)]
    losses, counts = [], []
    if objective["kind"] == "rank":
        found = [rewards(decoder, [e["ids"] for e in examples], adapter) for adapter, examples in rows]
    else:
        found = sequence_scores(decoder, rows)
    for track, chosen, scores, reference in zip(tracks, indices, found, references):
        policy = dict(zip(chosen, scores))
        batch, learned = track["batches"][step], chosen
        if objective["kind"] in ("dpo", "rank"):
            pairs = [(track["pairs"][p]["chosen"], track["pairs"][p]["rejected"]) for p in batch]
            if objective["kind"] == "dpo":
                losses.append(dpo_loss(policy, reference, pairs, objective["beta"]))
            else:
                losses.append(rank_loss(policy, pairs, objective["margin"]))
        elif objective["kind"] == "kto":
            desirable = {i: track["examples"][i]["desirable"] for i in batch}
            mismatched = track["mismatched"][step] if track.get("mismatched") else []
            losses.append(kto_loss(policy, reference, batch, mismatched, desirable, objective))
            learned = dict.fromkeys(batch)
        else:
            raise ValueError(f"objective {objective['kind']} is not known: sft, dpo, kto or rank")
        counts.append(sum(w != 0 for i in learned for w in track["examples"][i]["weights"][1:]))
    return torch.stack(losses), counts


class AdamW:
    """torch.optim.AdamW's update over the tensors of one adapter."""

    def __init__(self, parameters, optimiser):
        self.parameters = parameters
        self.beta1, self.beta2 = optimiser.get("beta1", 0.9), optimiser.get("beta2", 0.999)
        self.eps, self.decay = optimiser.get("eps", 1e-8), optimiser.get("weightDecay", 0.0)
        self.first = [torch.zeros_like(p) for p in parameters]
        self.second = [torch.zeros_like(p) for p in parameters]
        self.count = 0

    @torch.no_grad()
    def step(self, gradients, lr):
        self.count += 1
        if self.decay:
            torch._foreach_mul_(self.parameters, 1 - lr * self.decay)
        torch._foreach_mul_(self.first, self.beta1)
        torch._foreach_add_(self.first, gradients, alpha=1 - self.beta1)
        torch._foreach_mul_(self.second, self.beta2)
        torch._foreach_addcmul_(self.second, gradients, gradients, 1 - self.beta2)
        root = torch._foreach_sqrt(self.second)
        torch._foreach_div_(root, math.sqrt(1 - self.beta2**self.count))
        torch._foreach_add_(root, self.eps)
        rate = lr / (1 - self.beta1**self.count)
        # torch refuses a number that f32 has not.
        torch._foreach_addcdiv_(self.parameters, self.first, root, -rate if rate < 3.4e38 else -math.inf)


# See DOUBTFUL_WEIGHT in src/engine/finite.ts.
DOUBTFUL = 1024


def wire(number):
    """JSON has no word for what is not finite."""
    return number if math.isfinite(number) else str(number).replace("inf", "Infinity").replace("nan", "NaN")


def largest(state):
    """Largest magnitude of an adapter's weights; infinite where a weight or moment is not finite."""
    if not all(bool(t.isfinite().all()) for t in state.parameters + state.first + state.second):
        return math.inf
    return max(float(p.abs().max()) for p in state.parameters)


def norm_of(gradients):
    return math.sqrt(sum(float(g.double().square().sum()) for g in gradients))


def look_again(decoder, track, objective, step, references, parameters):
    """Loss and norm of the gradient of one step's batch with the weights as they are now."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    losses, _ = step_losses(decoder, [track], objective, step, [references])
    norm = norm_of(gradients_of(losses.sum(), parameters))
    for parameter in parameters:
        parameter.requires_grad_(False)
    return [wire(float(losses[0])), wire(norm)]


def gradients_of(loss, parameters):
    """Gradients in the order of `parameters`, zeros where the loss does not depend on one."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found)]


def train(decoder, tracks, optimiser, objective="sft"):
    """Finetune the adapters of all tracks at once; changes their tensors in place.

    tracks: dicts {adapter: Adapter, examples, batches: lists of example indices}; optimiser: {lr, beta1, beta2, eps,
    weightDecay, schedule, warmupSteps, clip}; objective: see step_losses.
    Yields per step a list of {track, loss, gradNorm, lr, tokens, peak, again};
    gradNorm is the L2 norm over the adapter before clipping. A track with fewer batches ends earlier. peak is the largest
    magnitude among the updated weights; an adapter whose last step made it DOUBTFUL is looked at again: [loss, gradNorm].
    Numbers that are not finite come as text, and end the training; an adapter with such a loss or gradient is not updated.
    """
    states = []
    for track in tracks:
        parameters = track["adapter"].parameters()
        states.append(AdamW(parameters, optimiser))
    clip = optimiser.get("clip")
    references = [None if objective == "sft" else reference_scores(decoder, track, objective) for track in tracks]
    for step in range(max((len(track["batches"]) for track in tracks), default=0)):
        active = [i for i, track in enumerate(tracks) if step < len(track["batches"])]
        parameters = [p for i in active for p in states[i].parameters]
        for parameter in parameters:
            parameter.requires_grad_(True)
        losses, tokens = step_losses(decoder, [tracks[i] for i in active], objective, step, [references[i] for i in active])
        # Adapters share no row, so the gradient of the sum holds the gradient of each loss.
        gradients = gradients_of(losses.sum(), parameters)
        for parameter in parameters:
            parameter.requires_grad_(False)
        report, offset, broken = [], 0, False
        for place, i in enumerate(active):
            state = states[i]
            own = gradients[offset : offset + len(state.parameters)]
            offset += len(own)
            norm, loss, peak, again = norm_of(own), float(losses[place]), 0.0, None
            finite = math.isfinite(norm) and math.isfinite(loss)
            if clip and finite:
                torch._foreach_mul_(own, min(1.0, clip / (norm + 1e-6)))
            lr = learning_rate(step, len(tracks[i]["batches"]), optimiser)
            if finite:
                state.step(own, lr)
                peak = largest(state)
            if step + 1 == len(tracks[i]["batches"]) and DOUBTFUL <= peak < math.inf:
                again = look_again(decoder, tracks[i], objective, step, references[i], state.parameters)
            broken = broken or not (finite and math.isfinite(peak))
            numbers = {"loss": wire(loss), "gradNorm": wire(norm), "peak": wire(peak), "again": again}
            report.append({"track": i, "lr": lr, "tokens": tokens[place], **numbers})
        yield report
        if broken:
            return
