import argparse
import json
import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Ranks that vLLM has memory layouts for.
RANKS = [8, 16, 32, 64, 128, 256, 320, 512]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL, help="folder or repository of the base model")
    parser.add_argument("--adapters", type=Path, default=HERE / "adapters", help="folder with iteration-N/NAME")
    parser.add_argument("--iteration", type=int, help="default: each adapter as it was left last")
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")
    args, more = parser.parse_known_args()
    found = adapters(args.adapters, args.iteration)
    if not found:
        raise SystemExit(f"{args.adapters}: holds no adapters; run finetune.py first, or give --adapters")
    highest = max(rank for _, rank in found.values())
    if highest > RANKS[-1]:
        raise SystemExit(f"vLLM serves adapters up to rank {RANKS[-1]}; one has {highest}")
    command = [
        *["vllm", "serve", args.model, "--enable-lora", "--max-loras", str(len(found))],
        *["--max-lora-rank", str(next(rank for rank in RANKS if rank >= highest))],
        *["--lora-modules", *[f"{name}={folder}" for name, (folder, _) in found.items()]],
        *more,
    ]
    if args.print:
        print(json.dumps(command))
        return
    os.execvp(command[0], command)


def adapters(root, iteration):
    """Folder and rank of each agent's adapter, by name. Reward models are left out: vLLM serves texts."""
    found = {}
    folders = [path.parent for path in root.glob("iteration-*/*/adapter_config.json")]
    numbered = [(int(re.fullmatch(r"iteration-(\d+)", folder.parent.name)[1]), folder) for folder in folders]
    for number, folder in sorted(numbered):
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        if (iteration is None or number == iteration) and config["task_type"] == "CAUSAL_LM":
            found[folder.name] = (folder, config["r"])
    return found


if __name__ == "__main__":
    main()
