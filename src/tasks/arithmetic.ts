/**
 * The paper's arithmetic task, a + b·c + d − e·f (arXiv 2501.05707, section 3), in the compact dialect of the embedded
 * model. The paper draws operands from 0..29; here they are 0..9, what a model of this size can learn.
 *
 *   solve   7+3*4+5-6*7          ->  3*4=12;6*7=42;12+7=19;19+5=24;24-42=-18#-18
 *   revise  7+3*4+5-6*7@12~-18,x ->  a fresh chain; own previous answer after @, the others' after ~, x = unreadable
 *   verify  7+3*4+5-6*7@12       ->  a fresh chain: it checks the answer after @ by working the problem out again
 *   refine  7+3*4+5-6*7@12~-18   ->  a fresh chain; the answer after @, what the check arrived at after ~
 *
 * The embedded model was pretrained on solve and revise. It was never shown a verify prompt; a refine prompt looks like a revise prompt
 * with one other agent.
 */
import { STREAMS, drawInt } from '../random';
import type { Problem, Split, Task } from './types';
import { TaskError } from './errors';
import { arithmeticDifficulty, nearMiss, workedSteps, type WorkedStep } from './worked';

/** Operands are 0..OPERANDS − 1. */
export const OPERANDS = 10;

/** What stands for an answer that could not be read. */
const UNREADABLE = 'x';

/**
 * The problem space is cut by residue so that no problem is ever in two parts: 0 evaluation, 1 training of the society,
 * 2..4 pretraining of the embedded model (tools/pretrain) and never drawn here.
 */
const RESIDUE: Record<Split, number> = { evaluation: 0, train: 1 };
/** Part of the draw's name, so that the two splits do not walk the same sequence of candidates. */
const SPLIT_WORD: Record<Split, number> = { evaluation: 0, train: 1 };

type Operands = [a: number, b: number, c: number, d: number, e: number, f: number];

const SPACE = OPERANDS ** 6;
/** Problems with one residue: 7 is invertible modulo 5, so each residue holds exactly a fifth of the space. */
const PER_SPLIT = SPACE / 5;

/** (7a + 11b + 13c + 17d + 19e + 23f) mod 5, the part of the problem space a problem belongs to. */
export function residue([a, b, c, d, e, f]: Operands): number {
  return (7 * a + 11 * b + 13 * c + 17 * d + 19 * e + 23 * f) % 5;
}

/** The six operands behind an id: its decimal digits, a first. */
export function operandsOf(id: number): Operands {
  const operands: number[] = [];
  for (let rest = id, i = 0; i < 6; i++) {
    operands.unshift(rest % OPERANDS);
    rest = Math.floor(rest / OPERANDS);
  }
  return operands as Operands;
}

/** The problem with these operands (`id` as in `operandsOf`). */
export function problemOf(id: number): Problem {
  const [a, b, c, d, e, f] = operandsOf(id);
  return { id, question: `${a}+${b}*${c}+${d}-${e}*${f}`, gold: String(a + b * c + d - e * f) };
}

/**
 * Walks one named sequence of candidates and keeps those of the split, so a longer list begins with the shorter one.
 * @throws TaskError when the split does not hold `count` problems.
 */
function drawProblems(split: Split, count: number, seed: number, iteration = 0): Problem[] {
  if (count > PER_SPLIT / 2) {
    throw new TaskError(`arithmetic: ${count} ${split} problems asked for, at most ${PER_SPLIT / 2} can be drawn`);
  }
  const name = { seed, stream: STREAMS.problems, iteration, agent: SPLIT_WORD[split] };
  const ids = new Set<number>();
  for (let token = 0; ids.size < count; token++) {
    const id = drawInt(name, token, SPACE);
    if (residue(operandsOf(id)) === RESIDUE[split]) ids.add(id);
  }
  return Array.from(ids, problemOf);
}

/** The integer after the last `#` in canonical form (no leading zeros, no −0), or null. */
export function answerBehindHash(completion: string): string | null {
  const mark = completion.lastIndexOf('#');
  if (mark < 0) return null;
  const tail = completion.slice(mark + 1).trim();
  // More digits than any chain of one-digit operands can need are a runaway, not a number.
  return /^-?\d{1,9}$/.test(tail) ? String(Number(tail)) : null;
}

function written(steps: readonly WorkedStep[], answer: string): string {
  const shown = steps.map(({ left, operator, right, result }) => `${left}${operator}${right}=${result}`);
  return `${shown.join(';')}#${answer}`;
}

export const arithmetic: Task = {
  name: 'arithmetic',
  revision: 1,
  title: 'Arithmetic',
  description: 'a + b·c + d − e·f with operands 0 to 9, solved step by step.',
  dialect: 'compact',
  problems: drawProblems,
  solvePrompt: (problem) => [{ role: 'user', content: problem.question }],
  summarise: (others) => others.map((answer) => answer ?? UNREADABLE).join(','),
  revisePrompt: (problem, own, summary) => [
    { role: 'user', content: `${problem.question}@${own ?? UNREADABLE}~${summary}` },
  ],
  // The model reads answers in one form only: here all of them are the true one.
  hintPrompt: ({ question }, answer) => [{ role: 'user', content: `${question}@${answer}~${answer},${answer}` }],
  verifyPrompt: ({ question }, own) => [{ role: 'user', content: `${question}@${own ?? UNREADABLE}` }],
  refinePrompt: ({ question }, own, critique) => [
    { role: 'user', content: `${question}@${own ?? UNREADABLE}~${critique ?? UNREADABLE}` },
  ],
  difficulty: arithmeticDifficulty,
  solution: ({ question, gold }) => written(workedSteps(question), gold),
  stated: (answer) => `#${answer}`,
  // The last step is done in the head: with it the answer would only be copied, without the others it is a guess.
  candidates: (problem) => nearMiss(problem, (answer) => written(workedSteps(problem.question).slice(0, -1), answer)),
  extractAnswer: answerBehindHash,
  exact: true,
  equal: (a, b) => a === b,
};
