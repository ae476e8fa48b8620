"""Training data of the strategies model: two-digit sums worked out by one of three strategies, misconceptions included.

    solve    <s>47+28=                ->  T60,15#75</s>   tens, then units
                                          R77-2#75</s>    the second number rounded, then adjusted
                                          B50+25#75</s>   the first number bridged to the next ten
    revise   <s>47+28@75~65,x,75=     ->  a chain; own previous answer behind @, the others' (one to nine) behind ~, x = unreadable
    verify   <s>47+28@75?=            ->  a chain; it checks the answer by working the problem out again
    refine   <s>47+28@75?65=          ->  a chain; the answer behind @, what its check arrived at behind ?
    hint     <s>47+28!75=             ->  a chain that arrives at the answer behind !

Each strategy has a misconception: T forgets the carry (or carries where there is none), R does not adjust, B takes the second
number whole. Whether a strategy has it on a problem depends on the pair of units digits alone (`GAPS`). Everything is drawn from
the `random.Random` that is passed in. `src/tasks/strategies.ts` is the same for the lab; a test compares the tables.
"""

VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", *"0123456789", *"+-=,#@~x?!TRB"]
ID = {token: index for index, token in enumerate(VOCABULARY)}
PAD, BOS, EOS = 0, 1, 2
STRATEGIES = "TRB"
# Strategies that are wrong, by number: none, one of three, two of three.
WRONG = ("", "T", "R", "B", "TR", "RB", "TB")
# Row: units digit 1..9 of the first number; column: of the second. 5 pairs with no wrong strategy, 49 with one, 27 with two.
GAPS = (
    "666125322",
    "451154221",
    "224513033",
    "122314353",
    "216136356",
    "054233103",
    "612344112",
    "205136431",
    "112405326",
)
EVALUATION, SOCIETY, PRETRAINING = (0,), (1, 2), (3, 4, 5, 6)


def residue(problem):
    """Which of seven parts a problem belongs to. Tens digits are 1..7, so each pair of units digits has as many problems in each."""
    a, b = problem
    return (a // 10 + 2 * (b // 10) + a % 10 + 3 * (b % 10)) % 7


def problems(residues):
    """All problems (a, b) of these parts: numbers from 11 to 79 whose units digit is not 0."""
    numbers = [n for n in range(11, 80) if n % 10]
    return [(a, b) for a in numbers for b in numbers if residue((a, b)) in residues]


TRAINING = problems(PRETRAINING)


def gap(problem):
    """The strategies that have their misconception on this problem."""
    return WRONG[int(GAPS[problem[0] % 10 - 1][problem[1] % 10 - 1])]


def content(problem):
    """The user's message of a solve prompt."""
    return f"{problem[0]}+{problem[1]}"


def chain(problem, strategy, mistaken, slip=0):
    """(text, answer) of one chain. `mistaken`: with the strategy's misconception; `slip` is added to the answer at the end."""
    a, b = problem
    units_a, units_b = a % 10, b % 10
    if strategy == "T":
        tens, units = a - units_a + b - units_b, units_a + units_b
        if mistaken:
            units += -10 if units >= 10 else 10
        work, answer = f"{tens},{units}", tens + units
    elif strategy == "R":
        down = units_b <= 5
        rounded = a + b - units_b + (0 if down else 10)
        adjust = units_b if down else 10 - units_b
        work = f"{rounded}{'+' if down else '-'}{0 if mistaken else adjust}"
        answer = rounded if mistaken else a + b
    else:
        bridge = 10 - units_a
        rest = b if mistaken else b - bridge
        work, answer = f"{a + bridge}+{rest}", a + bridge + rest
    return f"{strategy}{work}#{answer + slip}", answer + slip


class Policy:
    """How chains are drawn. mix: weights of T, R, B; gap: chance of the misconception inside a gap; slip: chance of an answer
    that is off by one."""

    def __init__(self, mix=(0.42, 0.32, 0.26), gap=0.92, slip=0.04):
        self.mix, self.gap, self.slip = mix, gap, slip

    def draw(self, rng, problem):
        strategy = rng.choices(STRATEGIES, self.mix)[0]
        mistaken = strategy in gap(problem) and rng.random() < self.gap
        return chain(problem, strategy, mistaken, rng.choice((-1, 1)) if rng.random() < self.slip else 0)

    def draw_towards(self, rng, problem, targets, tries):
        """The first of so many draws whose answer is among the targets; where none is, the first draw."""
        first = None
        for _ in range(tries):
            drawn = self.draw(rng, problem)
            first = first or drawn
            if str(drawn[1]) in targets:
                return drawn
        return first


def shown_answers(rng, problem, policy, count):
    """What an agent reads of so many agents: answers as text, "x" for one that could not be read. Societies differ in who sits there."""
    mix = rng.choice((policy.mix, (1, 1, 1), (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.05, 0.05, 0.9)))
    others = Policy(mix, rng.choice((policy.gap, policy.gap, policy.gap / 3)), policy.slip)
    return ["x" if rng.random() < 0.03 else str(others.draw(rng, problem)[1]) for _ in range(count)]


def favourites(answers):
    """The readable answers that were given most often."""
    counts = {answer: answers.count(answer) for answer in answers if answer != "x"}
    return {answer for answer, count in counts.items() if count == max(counts.values())}


def revise_content(problem, own, others):
    return f"{content(problem)}@{own}~{','.join(others)}"


def solve(rng, problem, policy):
    return content(problem), policy.draw(rng, problem)[0]


def revise(rng, problem, policy):
    """Of two draws the first that ends at a favourite of those that were read: agreement is followed where a strategy of one's own
    gets there."""
    count = rng.choices(range(1, 10), (15, 35, 12, 10, 8, 6, 5, 5, 4))[0]
    own, *others = answers = shown_answers(rng, problem, policy, count + 1)
    return revise_content(problem, own, others), policy.draw_towards(rng, problem, favourites(answers), 2)[0]


def verify(rng, problem, policy):
    (own,) = shown_answers(rng, problem, policy, 1)
    return f"{content(problem)}@{own}?", policy.draw(rng, problem)[0]


def refine(rng, problem, policy):
    own, found = answers = shown_answers(rng, problem, policy, 2)
    return f"{content(problem)}@{own}?{found}", policy.draw_towards(rng, problem, favourites(answers), 2)[0]


def hint(rng, problem, policy):
    """Of four draws the first that arrives at the answer."""
    answer = str(sum(problem))
    return f"{content(problem)}!{answer}", policy.draw_towards(rng, problem, {answer}, 4)[0]


def encode(text):
    return [ID[character] for character in text]


def prompt_ids(user):
    """What the chat template makes of one user message and the generation prompt."""
    return [BOS, *encode(user), ID["="]]


def example(rng, form, policy):
    """(prompt ids, completion ids with the end token) of one form on a problem that is for pretraining."""
    user, completion = form(rng, rng.choice(TRAINING), policy)
    return prompt_ids(user), [*encode(completion), EOS]
