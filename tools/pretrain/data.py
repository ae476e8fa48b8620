"""Training data of the embedded model: reasoning chains for a + b*c + d - e*f in the compact dialect.

    solve    <s>7+3*4+5-6*7=            ->  3*4=12;6*7=42;12+7=19;19+5=24;24-42=-18#-18</s>
    revise   <s>7+3*4+5-6*7@12~-18,x=   ->  a fresh chain; own previous answer after @, the others' after ~,
                                            x where an answer could not be read
    step     <s>12+12=                  ->  12+12=24#24</s>

Everything is drawn from the `random.Random` that is passed in.
"""

VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", *"0123456789", *"+-*=;#@~,x"]
ID = {token: index for index, token in enumerate(VOCABULARY)}
PAD, BOS, EOS = 0, 1, 2
OPERANDS = 10  # operands are 0..9; the paper's range is 0..29
EVALUATION, SOCIETY = 0, 1  # residues; the others are for pretraining only


def residue(problem):
    """(7a + 11b + 13c + 17d + 19e + 23f) mod 5: which part of the problem space a problem belongs to."""
    a, b, c, d, e, f = problem
    return (7 * a + 11 * b + 13 * c + 17 * d + 19 * e + 23 * f) % 5


def draw_problem(rng, residues=(2, 3, 4)):
    """(a, b, c, d, e, f) drawn uniformly from the given residues."""
    while True:
        problem = tuple(rng.randrange(OPERANDS) for _ in range(6))
        if residue(problem) in residues:
            return problem


def gold(problem):
    a, b, c, d, e, f = problem
    return a + b * c + d - e * f


def content(problem):
    """The user's message of a solve prompt."""
    return "{}+{}*{}+{}-{}*{}".format(*problem)


# An order is a list of (name, left, operator, right); names refer to the operands or to earlier results. All begin with
# b*c: with e*f first in some, a model of this size paired the factors of different products (5*8 for 9*8 and 5*9) in
# those chains, a gap that 3,500 steps did not close.
ORDERS = (
    (("P", "b", "*", "c"), ("Q", "e", "*", "f"), ("s", "P", "+", "a"), ("t", "s", "+", "d"), ("u", "t", "-", "Q")),
    (("P", "b", "*", "c"), ("s", "a", "+", "P"), ("t", "s", "+", "d"), ("Q", "e", "*", "f"), ("u", "t", "-", "Q")),
    (("P", "b", "*", "c"), ("Q", "e", "*", "f"), ("s", "a", "+", "d"), ("t", "s", "+", "P"), ("u", "t", "-", "Q")),
    (("P", "b", "*", "c"), ("Q", "e", "*", "f"), ("s", "P", "-", "Q"), ("t", "s", "+", "a"), ("u", "t", "+", "d")),
    (("P", "b", "*", "c"), ("Q", "e", "*", "f"), ("s", "d", "-", "Q"), ("t", "s", "+", "P"), ("u", "t", "+", "a")),
    (("P", "b", "*", "c"), ("s", "a", "+", "P"), ("Q", "e", "*", "f"), ("t", "s", "-", "Q"), ("u", "t", "+", "d")),
)


def compute(left, operator, right):
    return left * right if operator == "*" else left + right if operator == "+" else left - right


def slipped(rng, left, operator, right):
    """A wrong result of one step, of the kinds that people and models write: off by one or by ten, a neighbouring
    product, two digits swapped."""
    value = compute(left, operator, right)
    while True:
        kind = rng.random()
        if operator == "*" and kind < 0.4:
            wrong = (left + rng.choice((-1, 1))) * right if rng.random() < 0.5 else left * (right + rng.choice((-1, 1)))
        elif kind < 0.5 and abs(value) >= 10:
            wrong = int(str(abs(value))[::-1]) * (1 if value > 0 else -1)
        elif kind < 0.75:
            wrong = value + rng.choice((-1, 1))
        elif kind < 0.9:
            wrong = value + rng.choice((-10, 10))
        else:
            wrong = value + rng.choice((-2, 2, -3, 3))
        if wrong != value and (operator != "*" or wrong >= 0):
            return wrong


def chain(rng, problem, slip=0.0):
    """(text, answer) of one chain in a random order. With probability `slip` one step has a wrong result, and the
    chain goes on from it."""
    values = dict(zip("abcdef", problem))
    order = rng.choice(ORDERS)
    wrong_step = rng.randrange(len(order)) if rng.random() < slip else -1
    steps = []
    for number, (name, left, operator, right) in enumerate(order):
        x, y = values[left], values[right]
        values[name] = slipped(rng, x, operator, y) if number == wrong_step else compute(x, operator, y)
        steps.append(f"{x}{operator}{y}={values[name]}")
    return ";".join(steps) + f"#{values['u']}", values["u"]


def debate_answers(rng, problem, right=0.5, unreadable=0.03):
    """(own, others): previous answers as text. Each is right with probability `right`, else the end of a chain that
    slipped; now and then an agent repeats another's wrong answer, or was unreadable."""
    others = rng.choices((1, 2, 3, 4), weights=(15, 55, 20, 10))[0]
    answers = []
    for _ in range(1 + others):
        if rng.random() < unreadable:
            answers.append("x")
        elif rng.random() < right:
            answers.append(str(gold(problem)))
        elif answers and rng.random() < 0.08:
            answers.append(rng.choice(answers))
        else:
            answers.append(str(chain(rng, problem, slip=1.0)[1]))
    rng.shuffle(answers)
    return answers[0], answers[1:]


def revise_content(problem, own, others):
    """The user's message of a revise prompt; answers are text, "x" for one that could not be read."""
    return f"{content(problem)}@{own}~{','.join(others)}"


def encode(text):
    return [ID[character] for character in text]


def prompt_ids(user):
    """What the chat template makes of one user message and the generation prompt."""
    return [BOS, *encode(user), ID["="]]


def example(user, completion):
    """(prompt ids, completion ids with the end token)."""
    return prompt_ids(user), [*encode(completion), EOS]


def solve_example(rng, slip=0.0):
    problem = draw_problem(rng)
    return example(content(problem), chain(rng, problem, slip)[0])


def revise_example(rng, slip=0.0):
    problem = draw_problem(rng)
    own, others = debate_answers(rng, problem)
    return example(revise_content(problem, own, others), chain(rng, problem, slip)[0])


def step_example(rng):
    """One step alone, drawn from the steps of the chains of a pretraining problem."""
    step = rng.choice(chain(rng, draw_problem(rng))[0].split("#")[0].split(";"))
    left, right = step.split("=")
    return example(left, f"{step}#{right}")


def batch(examples, torch):
    """Examples -> (ids [B, T] padded on the right, weights [B, T]): weight 1 where a completion token is predicted."""
    length = max(len(prompt) + len(completion) for prompt, completion in examples)
    ids = torch.full((len(examples), length), PAD, dtype=torch.long)
    weights = torch.zeros((len(examples), length))
    for row, (prompt, completion) in enumerate(examples):
        end = len(prompt) + len(completion)
        ids[row, :end] = torch.tensor(prompt + completion)
        weights[row, len(prompt) : end] = 1
    return ids, weights
