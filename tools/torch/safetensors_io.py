"""Minimal safetensors reader and writer for torch tensors (F64, F32, F16, BF16, I64).

Format: 8 bytes little-endian header length, a JSON header, then the raw tensors.
Source: https://github.com/huggingface/safetensors#format
"""
import json
import os
import struct

import numpy as np
import torch

_DTYPES = {
    "F64": (torch.float64, np.float64),
    "F32": (torch.float32, np.float32),
    "F16": (torch.float16, np.float16),
    "BF16": (torch.bfloat16, np.int16),  # numpy has no bfloat16: moved as its 16 bits
    "I64": (torch.int64, np.int64),
}
_NAMES = {torch_type: name for name, (torch_type, _) in _DTYPES.items()}


def _bytes(tensor):
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def save_file(tensors, path, metadata=None):
    """Write `tensors` (dict of name to torch tensor) to `path`. Names are stored in sorted order.

    Raises KeyError for a dtype that is not in the list above.
    """
    header = {"__metadata__": dict(metadata or {"format": "pt"})}
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the reference writer aligns the data to 8 bytes
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name in sorted(tensors):
            file.write(_bytes(tensors[name]))


def load_file(path):
    """Read every tensor of `path`: dict of name to torch tensor in the stored dtype.

    Raises ValueError when the header or the data is truncated.
    """
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8:
        raise ValueError(f"{path}: truncated before the header length")
    (length,) = struct.unpack("<Q", data[:8])
    if 8 + length > len(data):
        raise ValueError(f"{path}: header of {length} bytes does not fit the file")
    header = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        torch_type, numpy_type = _DTYPES[entry["dtype"]]
        start, end = entry["data_offsets"]
        if end > len(body):
            raise ValueError(f"{path}: tensor {name} ends behind the end of the file")
        array = np.frombuffer(body[start:end], dtype=numpy_type).copy()
        tensor = torch.from_numpy(array)
        if torch_type == torch.bfloat16:
            tensor = tensor.view(torch.bfloat16)
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def load_model(directory):
    """Read model.safetensors, or the shards that model.safetensors.index.json names."""
    index = os.path.join(directory, "model.safetensors.index.json")
    if not os.path.exists(index):
        return load_file(os.path.join(directory, "model.safetensors"))
    with open(index) as file:
        weight_map = json.load(file)["weight_map"]
    tensors = {}
    for shard in sorted(set(weight_map.values())):
        tensors.update(load_file(os.path.join(directory, shard)))
    return tensors
