"""What a strategies model does on the 567 held-out problems, by form of prompt and before any finetuning.

    python3 tools/pretrain/strategies_evaluate.py static/models/strategies-0.25m --out tools/pretrain/log/strategies-forms.json

Accuracies are percentages with their binomial standard errors (samples of one problem counted as independent); temperature 1 unless
it says greedy.
"""
import argparse
import json
import os
import sys

# One thread of OpenBLAS beside torch's own: with both spinning, the matrices of this size take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import strategies_data as data  # noqa: E402
from evaluate import percent  # noqa: E402
from model import Decoder  # noqa: E402
from sampling import generate  # noqa: E402

MAX_TOKENS = 24  # the longest chain has 13
SAMPLES = 10


def ask(decoder, users, temperature, seed, stream):
    """One completion a message -> list of texts; one that did not end is None."""
    key = {"seed": seed, "stream": stream, "iteration": 0, "agent": 0, "round": 0}
    requests = [
        {"ids": data.prompt_ids(user), "temperature": temperature, "topK": 0, "topP": 1.0, "maxTokens": MAX_TOKENS,
         "stopIds": [data.EOS], "key": {**key, "problem": i}}
        for i, user in enumerate(users)
    ]
    texts = []
    for result in generate(decoder, requests):
        ids = result["ids"]
        texts.append("".join(data.VOCABULARY[i] for i in ids[:-1]) if ids and ids[-1] == data.EOS else None)
    return texts


def read_answer(text):
    tail = text.rpartition("#")[2] if text and "#" in text else ""
    return str(int(tail)) if tail.isdigit() else None


def vote(answers):
    """Most frequent readable answer; of several the one that came first."""
    readable = [answer for answer in answers if answer is not None]
    return max(readable, key=lambda answer: (readable.count(answer), -readable.index(answer))) if readable else None


def evaluate(decoder, seed=1):
    problems = data.problems(data.EVALUATION)
    gold = [str(sum(problem)) for problem in problems]
    solve = [data.content(problem) for problem in problems]
    texts = [ask(decoder, solve, 1.0, seed, 1 + sample) for sample in range(SAMPLES)]
    answers = [[read_answer(text) for text in one] for one in texts]
    shown = [[one[at] or "x" for one in answers] for at in range(len(problems))]
    greedy = ask(decoder, solve, 0.0, seed, 0)

    def score(answered):
        pairs = [(answer, truth) for one in answered for answer, truth in zip(one, gold)]
        right, error = percent(sum(answer == truth for answer, truth in pairs), len(pairs))
        unreadable = sum(answer is None for answer, _ in pairs)
        return {"right": right, "standard_error": error, "n": len(pairs), "unreadable": unreadable}

    def form(users, stream):
        return score([[read_answer(text) for text in ask(decoder, users, 1.0, seed, stream)]])

    forms = {
        "solve, greedy": score([[read_answer(text) for text in greedy]]),
        "solve": score(answers),
        "solve, majority of 3": score([[vote([one[at] for one in answers[:3]]) for at in range(len(problems))]]),
        "solve, majority of 9": score([[vote([one[at] for one in answers[:9]]) for at in range(len(problems))]]),
        "solve, any of 9": score([[truth if truth in shown[at][:9] else "" for at, truth in enumerate(gold)]]),
    }
    for others in (1, 2, 5, 9):
        users = [data.revise_content(p, shown[at][0], shown[at][1 : 1 + others]) for at, p in enumerate(problems)]
        forms[f"revise, {others} other{'s' if others > 1 else ''}"] = form(users, 100 + others)
    forms["verify"] = form([f"{data.content(p)}@{shown[at][0]}?" for at, p in enumerate(problems)], 120)
    forms["refine"] = form([f"{data.content(p)}@{shown[at][0]}?{shown[at][1]}" for at, p in enumerate(problems)], 121)
    forms["solve with a hint"] = form([f"{data.content(p)}!{sum(p)}" for p in problems], 122)

    # Strategies of the samples, and right answers where the strategy has its gap and where it has none.
    shares, inside, outside = {s: 0 for s in data.STRATEGIES}, [0, 0], [0, 0]
    for one in texts:
        for text, problem, truth in zip(one, problems, gold):
            strategy = text[:1] if text else ""
            if strategy not in shares or not strategy:
                continue
            shares[strategy] += 1
            tally = inside if strategy in data.gap(problem) else outside
            tally[0] += read_answer(text) == truth
            tally[1] += 1
    total = SAMPLES * len(problems)
    return {
        "problems": len(problems), "seed": seed, "forms": forms,
        "strategies": {s: round(count / total, 4) for s, count in shares.items()},
        "greedy_strategies": {s: round(sum((text or "")[:1] == s for text in greedy) / len(greedy), 4) for s in shares},
        "right_inside_the_gap": round(inside[0] / max(1, inside[1]), 4),
        "right_outside_the_gap": round(outside[0] / max(1, outside[1]), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report = evaluate(Decoder.read(arguments.directory), arguments.seed)
    text = json.dumps({"model": os.path.basename(os.path.normpath(arguments.directory)), **report}, indent=2) + "\n"
    print(text, end="")
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
