import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    set_seed,
)
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer
from trl import KTOConfig, KTOTrainer

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL, help="folder or repository of the base model")
    parser.add_argument("--adapters", type=Path, default=HERE / "adapters", help="where the adapters go")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--only", type=int, metavar="N", help="only the first N jobs")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    for number, job in enumerate(JOBS[: args.only]):
        out = args.adapters / job["out"]
        if (out / "adapter_config.json").exists():
            print(f"{job['out']}: is there already")
            continue
        set_seed(SEED + number)
        loss = train(args, tokenizer, job, out)
        print(f"{job['out']}: {job['objective']}, {job['steps']} steps, mean loss {loss:.4f}")


def train(args, tokenizer, job, out):
    """One adapter in one job. Returns the mean loss of its steps."""
    rows = [json.loads(line) for line in (HERE / "data" / job["data"]).read_text("utf-8").splitlines()]
    model = open_adapter(args, tokenizer, job)
    trainer = TRAINERS[job["objective"]](args, tokenizer, job, rows, model)
    result = trainer.train()
    trainer.model.save_pretrained(out, selected_adapters=["default"])
    return result.training_loss


def open_base(args, tokenizer, job):
    dtype = getattr(torch, args.dtype)
    if job["objective"] != "rank":
        return AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype)
    model = AutoModelForSequenceClassification.from_pretrained(args.model, dtype=dtype, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def open_adapter(args, tokenizer, job):
    """The base with the adapter that the job begins with: a fresh one, or that of an earlier job."""
    base = open_base(args, tokenizer, job)
    if job["start"] is not None:
        return PeftModel.from_pretrained(base, args.adapters / job["start"], is_trainable=True)
    if job["objective"] == "rank":
        return get_peft_model(base, LoraConfig(task_type="SEQ_CLS", modules_to_save=["score"], **LORA))
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **LORA))


def common(job):
    """What all trainers are told: the run's steps, batch size and clipping."""
    return dict(
        output_dir=str(HERE / "trainer"),
        max_steps=job["steps"],
        per_device_train_batch_size=BATCH_SIZE,
        max_grad_norm=0.0 if CLIP is None else CLIP,
        gradient_checkpointing=False,
        bf16=False,
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=SEED,
        disable_tqdm=True,
    )


def optimizers(model, job):
    """AdamW with the learning rate that each step of the run had."""
    rates = job["learning_rates"]
    if not isinstance(rates, list):
        rates = [rates] * job["steps"]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rates[min(step, len(rates) - 1)])
    return optimizer, schedule


def encode(tokenizer, row):
    """Token ids of prompt and completion, and a weight for each: 0 for the prompt, 0 for an end that was never said."""
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = whole[len(prompt) :] if whole.startswith(prompt) else row["completion"][0]["content"] + tokenizer.eos_token
    learnt = tokenizer(said, add_special_tokens=False)["input_ids"]
    weights = [row["weight"]] * len(learnt)
    content = row["completion"][0]["content"]
    if row["cut"] and said.startswith(content):
        end = len(tokenizer(said[len(content) :], add_special_tokens=False)["input_ids"])
        learnt, weights = learnt[: len(learnt) - end], weights[: len(weights) - end]
    own = row.get("token_weights")
    if own is not None:
        if len(own) != len(learnt):
            raise ValueError(
                f"problem {row['problem']} of {row['agent']}: {len(own)} weights of tokens for {len(learnt)} tokens. "
                "This tokenizer splits the text otherwise than the run's; use the model of the run."
            )
        weights = [weight * token for weight, token in zip(weights, own)]
    return {"input_ids": ids + learnt, "loss_weights": [0.0] * len(ids) + weights}


def sft(args, tokenizer, job, rows, model):
    encoded = [encode(tokenizer, row) for row in rows]
    weighted = any(weight not in (0, 1) for row in encoded for weight in row["loss_weights"])
    for row in encoded:
        row["labels"] = [
            -100 if weight == 0 else token for token, weight in zip(row["input_ids"], row["loss_weights"])
        ]
        if not weighted:
            del row["loss_weights"]
    config = SFTConfig(**common(job), loss_type="nll", remove_unused_columns=not weighted)
    trainer = WeightedTrainer if weighted else SFTTrainer
    return trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(encoded),
        processing_class=tokenizer,
        optimizers=optimizers(model, job),
        **({"data_collator": Padding(tokenizer.pad_token_id)} if weighted else {}),
    )


class Padding:
    """Batches of sequences with a weight for each token."""

    def __init__(self, pad):
        self.pad = pad

    def __call__(self, rows):
        longest = max(len(row["input_ids"]) for row in rows)
        filled = lambda key, value: torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])
        mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows])
        return {
            "input_ids": filled("input_ids", self.pad),
            "labels": filled("labels", -100),
            "loss_weights": filled("loss_weights", 0.0),
            "attention_mask": mask,
        }


class WeightedTrainer(SFTTrainer):
    """Cross-entropy with a weight for each token: sum of w * nll over sum of |w|. A negative weight unlearns."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        weights = inputs["loss_weights"][:, 1:]
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        logits = outputs.logits[:, :-1].float()
        nll = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), inputs["input_ids"][:, 1:], reduction="none"
        )
        loss = (weights * nll).sum() / weights.abs().sum().clamp_min(1e-8)
        return (loss, outputs) if return_outputs else loss


def preference(args, tokenizer, job, rows, model, config, trainer, columns):
    # Without a model of its own, TRL compares with the adapter that the job begins with.
    from_base = job["start"] is not None and not job["own_reference"]
    return trainer(
        model=model,
        ref_model=open_base(args, tokenizer, job) if from_base else None,
        args=config,
        train_dataset=Dataset.from_list([{column: row[column] for column in columns} for row in rows]),
        processing_class=tokenizer,
        optimizers=optimizers(model, job),
    )


def dpo(args, tokenizer, job, rows, model):
    config = DPOConfig(**common(job), beta=job["beta"])
    return preference(args, tokenizer, job, rows, model, config, DPOTrainer, ["prompt", "chosen", "rejected"])


def kto(args, tokenizer, job, rows, model):
    config = KTOConfig(**common(job), beta=job["beta"])
    return preference(args, tokenizer, job, rows, model, config, KTOTrainer, ["prompt", "completion", "label"])


def rank(args, tokenizer, job, rows, model):
    texts = [
        {
            "chosen": row["prompt"] + row["chosen"],
            "rejected": row["prompt"] + row["rejected"],
            "margin": job["margin"],
        }
        for row in rows
    ]
    return RewardTrainer(
        model=model,
        args=RewardConfig(**common(job)),
        train_dataset=Dataset.from_list(texts),
        processing_class=tokenizer,
        optimizers=optimizers(model, job),
    )


TRAINERS = {"sft": sft, "dpo": dpo, "kto": kto, "rank": rank}

if __name__ == "__main__":
    main()
