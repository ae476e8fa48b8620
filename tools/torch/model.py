"""Llama-shaped decoder in plain PyTorch: Llama, Qwen2 and Qwen3 after the source of Hugging Face transformers
(modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py), with LoRA after PEFT (y = W x + alpha/r * B (A x)).

Letters: B rows, T positions, D hidden, H heads, K kv heads, E head_dim, F intermediate, V vocabulary, R rank.
Weights are a dict with Hugging Face's tensor names, so that a checkpoint is the model.
"""
import json
import math
import os

import torch
import torch.nn.functional as F

from safetensors_io import load_model

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BLOCK = {target: "self_attn" if target[0] in "qkvo" else "mlp" for target in TARGETS}
_FAMILIES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3"}


class Config:
    """The fields of config.json that the forward pass needs. Raises ValueError for an unknown architecture."""

    def __init__(self, fields):
        architecture = fields["architectures"][0]
        if architecture not in _FAMILIES:
            raise ValueError(f"unknown architecture {architecture}; known: {', '.join(_FAMILIES)}")
        self.fields = fields
        self.family = _FAMILIES[architecture]
        self.hidden = fields["hidden_size"]
        self.layers = fields["num_hidden_layers"]
        self.heads = fields["num_attention_heads"]
        self.kv_heads = fields.get("num_key_value_heads") or self.heads
        self.head_dim = fields.get("head_dim") or self.hidden // self.heads
        self.intermediate = fields["intermediate_size"]
        self.vocab = fields["vocab_size"]
        self.eps = fields["rms_norm_eps"]
        self.rope_theta = fields["rope_theta"]
        self.rope_scaling = fields.get("rope_scaling")
        self.max_positions = fields["max_position_embeddings"]
        self.tied = fields.get("tie_word_embeddings", False)
        for option in ("attention_bias", "mlp_bias", "use_sliding_window"):
            if fields.get(option):
                raise ValueError(f"{option} is not supported")
        self.qkv_bias = self.family == "qwen2"
        self.qk_norm = self.family == "qwen3"

    @staticmethod
    def read(directory):
        with open(os.path.join(directory, "config.json")) as file:
            return Config(json.load(file))

    def shape(self, target):
        """(out, in) of a projection."""
        d, q, kv, f = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim, self.intermediate
        return {
            "q_proj": (q, d), "k_proj": (kv, d), "v_proj": (kv, d), "o_proj": (d, q),
            "gate_proj": (f, d), "up_proj": (f, d), "down_proj": (d, f),
        }[target]

    def weight_shapes(self):
        """Name to shape of every weight, in Hugging Face's names."""
        shapes = {"model.embed_tokens.weight": (self.vocab, self.hidden), "model.norm.weight": (self.hidden,)}
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}."
            shapes[prefix + "input_layernorm.weight"] = (self.hidden,)
            shapes[prefix + "post_attention_layernorm.weight"] = (self.hidden,)
            for target in TARGETS:
                shapes[prefix + f"{BLOCK[target]}.{target}.weight"] = self.shape(target)
            if self.qkv_bias:
                for target in ("q_proj", "k_proj", "v_proj"):
                    shapes[prefix + f"self_attn.{target}.bias"] = (self.shape(target)[0],)
            if self.qk_norm:
                shapes[prefix + "self_attn.q_norm.weight"] = (self.head_dim,)
                shapes[prefix + "self_attn.k_norm.weight"] = (self.head_dim,)
        if not self.tied:
            shapes["lm_head.weight"] = (self.vocab, self.hidden)
        return shapes


def inverse_frequencies(config):
    """[E/2] rotary frequencies, with Llama 3's scaling where the config asks for it (modeling_rope_utils.py)."""
    exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    frequency = config.rope_theta**-exponent
    scaling = config.rope_scaling
    if not scaling:
        return frequency
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind in (None, "default"):
        return frequency
    if kind != "llama3":
        raise ValueError(f"rope_scaling {kind} is not supported")
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    original = scaling["original_max_position_embeddings"]
    wavelength = 2 * math.pi / frequency
    smooth = (original / wavelength - low) / (high - low)
    between = (1 - smooth) * frequency / factor + smooth * frequency
    scaled = torch.where(wavelength > original / low, frequency / factor, frequency)
    medium = (wavelength <= original / low) & (wavelength >= original / high)
    return torch.where(medium, between, scaled)


def rms_norm(x, weight, eps):
    """RMSNorm over the last axis, in at least f32 as LlamaRMSNorm. Rows whose squares overflow give NaN, not zeros."""
    y = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    mean = y.square().mean(-1, keepdim=True)
    # The difference is 0, or NaN where the mean is infinite.
    y = y * (torch.rsqrt(mean + eps) + (mean - mean).detach())
    return weight * y.to(x.dtype)


def rotate(x, cos, sin):
    """x [..., E] by angles [..., E/2]: transformers' rotate_half layout (first half with second half)."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Adapter:
    """One LoRA adapter. tensors: (layer, target) -> (A [R, in], B [out, R]); scale = alpha / R. head [1, D] gives rewards."""

    def __init__(self, rank, alpha, tensors, head=None):
        self.rank, self.alpha, self.tensors, self.head = rank, alpha, tensors, head
        self.scale = alpha / rank

    def parameters(self):
        """All tensors, the head last."""
        return [t for pair in self.tensors.values() for t in pair] + ([] if self.head is None else [self.head])


class Lora:
    """The adapters of a batch: groups of (adapter or None, first row, end row), the rows of one adapter lying next
    to each other. A product per group is cheaper on a CPU than a gather of A and B per row."""

    def __init__(self, groups):
        self.groups = groups

    def delta(self, layer, target, x):
        """x [B, T, in] -> alpha/R * B (A x) [B, T, out], zeros where a row has no such adapter; None if no row has."""
        pairs = [adapter.tensors.get((layer, target)) if adapter else None for adapter, _, _ in self.groups]
        out = next((pair[1].shape[0] for pair in pairs if pair), None)
        if out is None:
            return None
        parts = []
        for pair, (adapter, start, end) in zip(pairs, self.groups):
            rows = x[start:end]
            if pair is None:
                parts.append(rows.new_zeros(*rows.shape[:-1], out))
                continue
            a, b = pair
            low = rows.reshape(-1, rows.shape[-1]) @ a.t()
            parts.append(((low * adapter.scale) @ b.t()).view(*rows.shape[:-1], out))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class Cache:
    """Keys and values [B, K, capacity, E] per layer, with the length of every row. Rows can be dropped."""

    def __init__(self, config, rows, capacity, dtype=torch.float32):
        shape = (rows, config.kv_heads, capacity, config.head_dim)
        self.keys = [torch.zeros(shape, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, dtype=dtype) for _ in range(config.layers)]
        self.lengths = torch.zeros(rows, dtype=torch.long)

    def keep(self, rows):
        """Keep only the rows with these indices, in this order."""
        self.keys = [tensor[rows] for tensor in self.keys]
        self.values = [tensor[rows] for tensor in self.values]
        self.lengths = self.lengths[rows]


class Decoder:
    """A decoder over a dict of weights. `weights` may require gradients (pretraining) or not (LoRA, inference)."""

    def __init__(self, config, weights, dtype=torch.float32):
        self.config = config
        self.weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
        for name, shape in config.weight_shapes().items():
            if name not in self.weights:
                raise ValueError(f"weight {name} is missing")
            if tuple(self.weights[name].shape) != shape:
                raise ValueError(f"weight {name} is {tuple(self.weights[name].shape)}, expected {shape}")
        angles = torch.arange(config.max_positions, dtype=torch.float64)[:, None] * inverse_frequencies(config)
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)

    @staticmethod
    def read(directory, dtype=torch.float32):
        return Decoder(Config.read(directory), load_model(directory), dtype)

    def _project(self, layer, target, x, lora):
        prefix = f"model.layers.{layer}.{BLOCK[target]}.{target}"
        y = F.linear(x, self.weights[prefix + ".weight"], self.weights.get(prefix + ".bias"))
        delta = lora.delta(layer, target, x) if lora else None
        return y if delta is None else y + delta

    def _attention(self, layer, x, cos, sin, mask, lora, cache):
        config, (rows, length, _) = self.config, x.shape
        heads, kv_heads, size = config.heads, config.kv_heads, config.head_dim
        query = self._project(layer, "q_proj", x, lora).view(rows, length, heads, size)
        key = self._project(layer, "k_proj", x, lora).view(rows, length, kv_heads, size)
        value = self._project(layer, "v_proj", x, lora).view(rows, length, kv_heads, size)
        if config.qk_norm:
            prefix = f"model.layers.{layer}.self_attn."
            query = rms_norm(query, self.weights[prefix + "q_norm.weight"], config.eps)
            key = rms_norm(key, self.weights[prefix + "k_norm.weight"], config.eps)
        query, key = rotate(query, cos, sin).transpose(1, 2), rotate(key, cos, sin).transpose(1, 2)
        value = value.transpose(1, 2)
        group = heads // kv_heads
        if cache is not None and length == 1:
            # One new position per row, each at its own length. A product and a sum: torch without MKL runs a
            # batched product as a loop over rows, which is slower for vectors as short as these.
            row = torch.arange(rows)
            cache.keys[layer][row, :, cache.lengths] = key[:, :, 0]
            cache.values[layer][row, :, cache.lengths] = value[:, :, 0]
            end = int(cache.lengths.max()) + 1
            keys, values = cache.keys[layer][:, :, None, :end], cache.values[layer][:, :, None, :end]
            query = query.reshape(rows, kv_heads, group, 1, size)
            scores = (query * keys).sum(-1) / math.sqrt(size) + mask[:, None, None, :end]
            mixed = (scores.softmax(-1)[..., None] * values).sum(-2)
            mixed = mixed.reshape(rows, 1, heads * size)
        else:
            if cache is not None:
                cache.keys[layer][:, :, :length], cache.values[layer][:, :, :length] = key, value
            # Queries of the heads that share a kv head lie under one another: [B, K, G*T, E].
            query = query.reshape(rows, kv_heads, group * length, size)
            scores = (query @ key.transpose(2, 3)).view(rows, kv_heads, group, length, length) / math.sqrt(size)
            weights = (scores + mask).softmax(-1)
            mixed = weights.view(rows, kv_heads, group * length, length) @ value
            mixed = mixed.view(rows, heads, length, size).transpose(1, 2).reshape(rows, length, heads * size)
        return self._project(layer, "o_proj", mixed, lora)

    def hidden(self, ids, lora=None, cache=None):
        """ids [B, T] -> [B, T, D] after the last norm.

        Rows are padded on the right: causality keeps the padding out of real positions. With a cache, T > 1 fills
        it (the caller then sets cache.lengths), and T = 1 appends one position to every row.
        """
        config, (rows, length) = self.config, ids.shape
        x = F.embedding(ids, self.weights["model.embed_tokens.weight"])
        if cache is not None and length == 1:
            position = cache.lengths
            cos, sin = self.cos[position][:, None, None], self.sin[position][:, None, None]
            reach = torch.arange(cache.keys[0].shape[2])[None] <= position[:, None]
            mask = torch.zeros(reach.shape, dtype=x.dtype).masked_fill(~reach, -math.inf)
        else:
            cos, sin = self.cos[None, :length, None], self.sin[None, :length, None]
            mask = torch.full((length, length), -math.inf, dtype=x.dtype).triu(1)
        for layer in range(config.layers):
            prefix = f"model.layers.{layer}."
            normed = rms_norm(x, self.weights[prefix + "input_layernorm.weight"], config.eps)
            x = x + self._attention(layer, normed, cos, sin, mask, lora, cache)
            normed = rms_norm(x, self.weights[prefix + "post_attention_layernorm.weight"], config.eps)
            gate = F.silu(self._project(layer, "gate_proj", normed, lora))
            up = self._project(layer, "up_proj", normed, lora)
            x = x + self._project(layer, "down_proj", gate * up, lora)
        if cache is not None and length == 1:
            cache.lengths = cache.lengths + 1
        return rms_norm(x, self.weights["model.norm.weight"], config.eps)

    def head(self, hidden):
        """hidden [..., D] -> logits [..., V]."""
        name = "model.embed_tokens.weight" if self.config.tied else "lm_head.weight"
        return F.linear(hidden, self.weights[name])

    def logits(self, ids, lora=None):
        """ids [B, T] -> logits [B, T, V]."""
        return self.head(self.hidden(ids, lora))


def rewards(decoder, rows, adapter):
    """[B] the adapter's head times the hidden state of the last position after the last norm; rows: lists of ids."""
    if adapter is None or adapter.head is None:
        raise ValueError("the adapter has no head that gives a reward")
    ids = torch.zeros((len(rows), max(len(row) for row in rows)), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    hidden = decoder.hidden(ids, Lora([(adapter, 0, len(rows))]))
    return hidden[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])] @ adapter.head[0]


def embedding(decoder, ids, adapter):
    """[D] mean over the positions of the hidden state after the last norm."""
    return decoder.hidden(torch.tensor([ids]), Lora([(adapter, 0, 1)]))[0].mean(0)
