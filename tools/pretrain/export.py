"""Export a checkpoint of the embedded model in the layout of a Hugging Face repository.

    python3 tools/pretrain/export.py tools/pretrain/checkpoints/slips static/models/arithmetic-0.4m

Writes config.json, generation_config.json, model.safetensors (F32), tokenizer.json, tokenizer_config.json and
special_tokens_map.json; the model card README.md is written by hand.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import data  # noqa: E402
from pretrain import CONFIG  # noqa: E402
from safetensors_io import load_file, save_file  # noqa: E402

SPECIAL_TOKENS = 4  # the first of a vocabulary: <pad> <s> </s> <unk>

# <s>question=answer</s>: the "=" opens the answer, as an assistant header does in larger models, so it is the
# generation prompt.
CHAT_TEMPLATE = (
    "{{- bos_token -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}{{- message['content'] -}}"
    "{%- elif message['role'] == 'assistant' -%}{{- '=' + message['content'] + eos_token -}}"
    "{%- else -%}{{- raise_exception('Only the roles user and assistant are known') -}}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '=' -}}{%- endif -%}"
)


def tokenizer(vocabulary):
    """tokenizer.json: a BPE without merges, so that every character is a token."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for index, token in enumerate(vocabulary[:SPECIAL_TOKENS])
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(vocabulary)}, "merges": [],
        },
    }


def tokenizer_config(vocabulary, positions):
    return {
        "add_bos_token": False,
        "added_tokens_decoder": {
            str(index): {"content": token, "lstrip": False, "normalized": False, "rstrip": False,
                         "single_word": False, "special": True}
            for index, token in enumerate(vocabulary[:SPECIAL_TOKENS])
        },
        "bos_token": "<s>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": positions,
        "pad_token": "<pad>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    }


def write_repository(directory, config, weights, vocabulary, longest):
    """Write all files but the card. weights: name to tensor in the stored dtype; longest: max_new_tokens of a generation."""
    os.makedirs(directory, exist_ok=True)

    def write(name, fields):
        with open(os.path.join(directory, name), "w") as file:
            json.dump(fields, file, indent=2, ensure_ascii=False)
            file.write("\n")

    save_file(weights, os.path.join(directory, "model.safetensors"))
    write("config.json", config)
    write("generation_config.json", {
        "bos_token_id": data.BOS, "do_sample": True, "eos_token_id": data.EOS, "max_new_tokens": longest,
        "pad_token_id": data.PAD, "temperature": 1.0, "top_k": 0, "top_p": 1.0,
    })
    write("tokenizer.json", tokenizer(vocabulary))
    write("tokenizer_config.json", tokenizer_config(vocabulary, config["max_position_embeddings"]))
    write("special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"})


def export(checkpoint, directory):
    weights = load_file(os.path.join(checkpoint, "model.safetensors"))
    floats = {name: tensor.float() for name, tensor in weights.items()}
    write_repository(directory, CONFIG, floats, data.VOCABULARY, longest=64)


if __name__ == "__main__":
    export(sys.argv[1], sys.argv[2])
