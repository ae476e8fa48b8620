/**
 * Two-digit sums in the compact dialect, worked out by one of three strategies that a chain shows. Each strategy has a misconception on
 * some classes of problems, so agents with different strategies can label each other's gaps.
 *
 *   solve   47+28           ->  T60,15#75   by tens and units; misconception: the carry is forgotten, or made where there is none
 *                               R77-2#75    the second number rounded, then adjusted; misconception: not adjusted
 *                               B50+25#75   the first number bridged to the next ten; misconception: the second number added whole
 *   revise  47+28@75~65,x   ->  a chain; own previous answer behind @, the others' behind ~, x = unreadable
 *   verify  47+28@75?       ->  a chain: it checks the answer behind @ by working the problem out again
 *   refine  47+28@75?65     ->  a chain; the answer behind @, what its check arrived at behind ?
 *   hint    47+28!75        ->  a chain that arrives at the answer behind !
 *
 * The strategies model (tools/pretrain/strategies_data.py) was pretrained on all of them.
 */
import { STREAMS, shuffled } from '../random';
import { answerBehindHash } from './arithmetic';
import { TaskError } from './errors';
import type { Graded, Split, Task, Ungraded } from './types';
import { nearMiss } from './worked';

/** The strategies by the letter with which their chains begin. */
export const STRATEGIES = ['T', 'R', 'B'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** Strategies that are wrong, by the digits of `GAPS`. */
const WRONG: readonly (readonly Strategy[])[] = [[], ['T'], ['R'], ['B'], ['T', 'R'], ['R', 'B'], ['T', 'B']];

/**
 * Which strategies are wrong on a problem: row = units digit of the first number, column = of the second, both from 1. Of the 81 pairs 5
 * have no wrong strategy, 49 have one and 27 have two. The same table is in tools/pretrain/strategies_data.py.
 */
const GAPS = [
  '666125322',
  '451154221',
  '224513033',
  '122314353',
  '216136356',
  '054233103',
  '612344112',
  '205136431',
  '112405326',
] as const;

/**
 * The 3,969 problems are cut into seven parts by residue, so that no problem is ever in two: 0 evaluation, 1 and 2 training of the society,
 * 3 to 6 pretraining of the model and never drawn here. Each part has each pair of units digits seven times, so the classes of gaps have
 * the same shares in all of them.
 */
const RESIDUES: Record<Split, readonly number[]> = { evaluation: [0], train: [1, 2] };
/** Part of the draw's name. */
const SPLIT_WORD: Record<Split, number> = { evaluation: 0, train: 1 };

/** Numbers of two digits that occur: tens 1 to 7, units 1 to 9. */
const NUMBERS = Array.from({ length: 63 }, (_, at) => 10 * (Math.floor(at / 9) + 1) + (at % 9) + 1);

/** Which of seven parts the sum a + b belongs to. */
export function partOf(a: number, b: number): number {
  const tens = (n: number) => Math.floor(n / 10);
  return (tens(a) + 2 * tens(b) + (a % 10) + 3 * (b % 10)) % 7;
}

/** The problem a + b; its id is the four digits. */
export function sumOf(a: number, b: number): Graded {
  return { id: 100 * a + b, question: `${a}+${b}`, gold: String(a + b) };
}

/** All problems of some parts, in the order of their ids. */
export function sumsOf(of: readonly number[]): Graded[] {
  return NUMBERS.flatMap((a) => NUMBERS.filter((b) => of.includes(partOf(a, b))).map((b) => sumOf(a, b)));
}

const HELD: Record<Split, readonly Graded[]> = {
  evaluation: sumsOf(RESIDUES.evaluation),
  train: sumsOf(RESIDUES.train),
};

/** The first of a named permutation of the split. @throws TaskError when the split does not hold `count` problems. */
function drawProblems(split: Split, count: number, seed: number, iteration = 0): Graded[] {
  const held = HELD[split];
  if (count > held.length) {
    throw new TaskError(`strategies: ${count} ${split} problems asked for, there are ${held.length}`);
  }
  return shuffled(held, { seed, stream: STREAMS.problems, iteration, agent: SPLIT_WORD[split] }).slice(0, count);
}

/** Both numbers of a question. @throws TaskError when it is no sum of this task */
export function numbersIn(question: string): [a: number, b: number] {
  const found = /^([1-7][1-9])\+([1-7][1-9])$/.exec(question);
  if (!found) throw new TaskError(`strategies: "${question}" is not a sum of two numbers from 11 to 79 without a 0`);
  return [Number(found[1]), Number(found[2])];
}

/** The strategies that are wrong on a problem, in the order of `STRATEGIES`. @throws TaskError when it is no sum of this task */
export function gapOf({ question }: Pick<Ungraded, 'question'>): readonly Strategy[] {
  const [a, b] = numbersIn(question);
  return WRONG[Number(GAPS[(a % 10) - 1]?.[(b % 10) - 1])] ?? [];
}

/** The strategy that a chain shows, or null where it is none: the letter, its two parts and the answer. */
export function strategyOf(chain: string): Strategy | null {
  const found = /^(?:(T)\d+,\d+|(R)\d+[+-]\d+|(B)\d+\+\d+)#/.exec(chain);
  return ((found?.[1] ?? found?.[2] ?? found?.[3]) as Strategy | undefined) ?? null;
}

/** The chain of a strategy. @param mistaken with its misconception */
export function chainOf({ question }: Pick<Ungraded, 'question'>, strategy: Strategy, mistaken: boolean): string {
  const [a, b] = numbersIn(question);
  const [unitsA, unitsB] = [a % 10, b % 10];
  if (strategy === 'T') {
    const tens = a - unitsA + b - unitsB;
    const right = unitsA + unitsB;
    const units = mistaken ? (right >= 10 ? right - 10 : right + 10) : right;
    return `T${tens},${units}#${tens + units}`;
  }
  if (strategy === 'R') {
    const down = unitsB <= 5;
    const rounded = a + b - unitsB + (down ? 0 : 10);
    const adjust = down ? unitsB : 10 - unitsB;
    return `R${rounded}${down ? '+' : '-'}${mistaken ? 0 : adjust}#${mistaken ? rounded : a + b}`;
  }
  const bridge = 10 - unitsA;
  const rest = mistaken ? b : b - bridge;
  return `B${a + bridge}+${rest}#${a + bridge + rest}`;
}

/** The right chain of the first strategy that is not wrong on a problem, up to its answer. */
function parts(problem: Pick<Ungraded, 'question'>): string {
  const wrong = gapOf(problem);
  const chain = chainOf(problem, STRATEGIES.find((strategy) => !wrong.includes(strategy)) ?? 'T', false);
  return chain.slice(0, chain.indexOf('#'));
}

/** What stands for an answer that could not be read. */
const UNREADABLE = 'x';

const asked = (content: string) => [{ role: 'user' as const, content }];

export const strategies: Task = {
  name: 'strategies',
  revision: 1,
  title: 'Sums by strategies',
  description: 'Two-digit sums by three strategies, each of which is wrong on some of the problems.',
  dialect: 'compact',
  problems: drawProblems,
  solvePrompt: ({ question }) => asked(question),
  summarise: (others) => others.map((answer) => answer ?? UNREADABLE).join(','),
  revisePrompt: ({ question }, own, summary) => asked(`${question}@${own ?? UNREADABLE}~${summary}`),
  hintPrompt: ({ question }, answer) => asked(`${question}!${answer}`),
  verifyPrompt: ({ question }, own) => asked(`${question}@${own ?? UNREADABLE}?`),
  refinePrompt: ({ question }, own, critique) => asked(`${question}@${own ?? UNREADABLE}?${critique ?? UNREADABLE}`),
  // How many of the three strategies lead to a wrong answer.
  difficulty: (problem) => gapOf(problem).length,
  solution: (problem) => `${parts(problem)}#${problem.gold}`,
  stated: (answer) => `#${answer}`,
  // Both parts are worked out, and the answer is done in the head.
  candidates: (problem) => nearMiss(problem, (answer) => `${parts(problem)}#${answer}`),
  extractAnswer: answerBehindHash,
  exact: true,
  equal: (a, b) => a === b,
  strategies: {
    names: [
      { key: 'T', label: 'tens and units' },
      { key: 'R', label: 'round and adjust' },
      { key: 'B', label: 'bridge to ten' },
    ],
    of: strategyOf,
    wrongOn: gapOf,
  },
};
