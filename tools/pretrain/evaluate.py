"""Accuracy of the embedded model on held-out problems (residue 0), as solver, voter and untrained critic.

    python3 tools/pretrain/evaluate.py DIR [--problems 1000] [--seed 1] [--agents 3]
"""
import argparse
import json
import math
import os
import random
import re
import sys
from collections import Counter

# One thread of OpenBLAS beside torch's own: with both spinning, the matrices of this size take three times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import torch  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import data  # noqa: E402
from model import Decoder  # noqa: E402
from sampling import generate  # noqa: E402

MAX_TOKENS = 56  # the longest chain has 50 tokens
_ANSWER = re.compile(r"#(-?\d+)$")


def read_answer(ids):
    """The answer of a completion as text, or None when it did not end or has no number behind its last #."""
    if not ids or ids[-1] != data.EOS:
        return None
    match = _ANSWER.search("".join(data.VOCABULARY[i] for i in ids[:-1]))
    return str(int(match.group(1))) if match else None


def ask(decoder, users, temperature, seed, stream, agents=None, round_=0):
    """One completion per user message -> list of token id lists."""
    requests = [
        {
            "ids": data.prompt_ids(user), "temperature": temperature, "topK": 0, "topP": 1.0,
            "maxTokens": MAX_TOKENS, "stopIds": [data.EOS],
            "key": {"seed": seed, "stream": stream, "iteration": 0, "agent": agents[i] if agents else 0,
                    "problem": i, "round": round_},
        }
        for i, user in enumerate(users)
    ]
    return [result["ids"] for result in generate(decoder, requests)]


def vote(rng, answers):
    """Most frequent readable answer, ties broken at random; None when nothing could be read."""
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return None
    most = max(counts.values())
    return rng.choice(sorted(answer for answer, count in counts.items() if count == most))


def percent(right, total):
    """Percentage and its binomial standard error."""
    share = right / total
    return round(100 * share, 2), round(100 * math.sqrt(share * (1 - share) / total), 2)


def evaluate(decoder, problems=1000, seed=1, agents=3):
    """Report of accuracies in percent; *_se are binomial standard errors (of samples, which share problems)."""
    rng = random.Random(f"evaluate {seed}")
    chosen = [data.draw_problem(rng, (data.EVALUATION,)) for _ in range(problems)]
    gold = [str(data.gold(problem)) for problem in chosen]
    solve = [data.content(problem) for problem in chosen]

    greedy = [read_answer(ids) for ids in ask(decoder, solve, 0.0, seed, 0)]
    first = [[read_answer(ids) for ids in ask(decoder, solve, 1.0, seed, 1 + agent)] for agent in range(agents)]
    rounds = list(zip(*first))  # problem -> answers of its agents
    majority = [vote(rng, answers) for answers in rounds]

    def shown(answer):
        return "x" if answer is None else answer

    second = []
    for agent in range(agents):
        users = [
            data.revise_content(problem, shown(answers[agent]),
                                [shown(a) for i, a in enumerate(answers) if i != agent])
            for problem, answers in zip(chosen, rounds)
        ]
        second.append([read_answer(ids) for ids in ask(decoder, users, 1.0, seed, 101 + agent)])
        if agent == 0:
            greedy_revise = [read_answer(ids) for ids in ask(decoder, users, 0.0, seed, 100)]
    debate = [vote(rng, answers) for answers in zip(*second)]

    def right(answers):
        return sum(answer == truth for answer, truth in zip(answers, gold))

    report = {"problems": problems}
    counts = {
        "greedy": (right(greedy), problems),
        "single": (sum(map(right, first)), problems * agents),
        f"majority{agents}": (right(majority), problems),
        "critic_greedy": (right(greedy_revise), problems),
        "critic_single": (sum(map(right, second)), problems * agents),
        "debate_vote": (right(debate), problems),
        "unreadable": (sum(a is None for answers in first for a in answers), problems * agents),
        "critic_unreadable": (sum(a is None for answers in second for a in answers), problems * agents),
    }
    for name, (k, n) in counts.items():
        report[name], report[name + "_se"] = percent(k, n)
    # How much a critic gains from being shown the truth: its accuracy by how many of the shown answers are right.
    by_shown = {}
    for agent in range(agents):
        for answers, answer, truth in zip(rounds, second[agent], gold):
            tally = by_shown.setdefault(sum(a == truth for a in answers), [0, 0])
            tally[0] += answer == truth
            tally[1] += 1
    report["critic_by_right_shown"] = {str(k): [percent(*v)[0], v[1]] for k, v in sorted(by_shown.items())}
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agents", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    decoder = Decoder.read(arguments.directory)
    print(json.dumps(evaluate(decoder, arguments.problems, arguments.seed, arguments.agents)))


if __name__ == "__main__":
    main()
