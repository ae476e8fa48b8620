/**
 * The paper's arithmetic task, a + b·c + d − e·f with operands 0..29 (arXiv 2501.05707, section 3; the range after the code of
 * Du et al. 2023), for instruct models.
 */
import { drawInt, STREAMS } from '../random';
import { markedAnswers, rightHandSide } from './answers';
import { residue } from './arithmetic';
import { chatPrompts } from './chatPrompts';
import { readNumber, sameNumber } from './numbers';
import type { Problem, Split, Task } from './types';
import { arithmeticDifficulty, nearMiss, workedSteps, type WorkedStep } from './worked';

/** Operands are 0..PAPER_OPERANDS − 1; 30⁶ problems, so an id fits 32 bits. */
export const PAPER_OPERANDS = 30;

/** As in the compact task: parts of the problem space by residue, so that no problem is ever in two splits. */
const RESIDUE: Record<Split, number> = { evaluation: 0, train: 1 };

type Operands = [a: number, b: number, c: number, d: number, e: number, f: number];

/** The problem with these operands; its id has them as digits to base 30, a first. */
export function paperProblem(operands: Operands): Problem {
  const [a, b, c, d, e, f] = operands;
  return {
    id: operands.reduce((id, operand) => id * PAPER_OPERANDS + operand, 0),
    question: `What is the result of ${a}+${b}*${c}+${d}-${e}*${f}?`,
    gold: String(a + b * c + d - e * f),
  };
}

/** Walks one named sequence of operands and keeps the problems of the split, so a longer list begins with the shorter one. */
function drawProblems(split: Split, count: number, seed: number, iteration = 0): Problem[] {
  const name = { seed, stream: STREAMS.problems, iteration, agent: RESIDUE[split] };
  const problems = new Map<number, Problem>();
  for (let token = 0; problems.size < count; token += 6) {
    const operands = [0, 1, 2, 3, 4, 5].map((i) => drawInt(name, token + i, PAPER_OPERANDS)) as Operands;
    if (residue(operands) !== RESIDUE[split]) continue;
    const problem = paperProblem(operands);
    problems.set(problem.id, problem);
  }
  return [...problems.values()];
}

/** The number that a response marks as its answer, canonical; null when there is no mark or no single number. */
export function numericAnswer(completion: string): string | null {
  for (const marked of markedAnswers(completion)) {
    const number = readNumber(marked) ?? readNumber(rightHandSide(marked));
    if (number !== null) return number;
  }
  return null;
}

function written(steps: readonly WorkedStep[], answer: string): string {
  const shown = steps.map(({ left, operator, right, result }) => `${left} ${operator} ${right} = ${result}`);
  return [...shown, `The answer is \\boxed{${answer}}.`].join('\n');
}

export const arithmeticChat: Task = {
  name: 'arithmetic-chat',
  // 2: variables and units count, and other rules of docs/grading.md.
  revision: 2,
  title: 'Arithmetic in words',
  description: 'a + b·c + d − e·f with operands 0 to 29, in words, for instruct models.',
  dialect: 'chat',
  problems: drawProblems,
  ...chatPrompts('a single number'),
  difficulty: arithmeticDifficulty,
  solution: ({ question, gold }) => written(workedSteps(question), gold),
  // The last step is done in the head: with it the answer would only be copied, without the others it is a guess.
  candidates: (problem) => nearMiss(problem, (answer) => written(workedSteps(problem.question).slice(0, -1), answer)),
  extractAnswer: numericAnswer,
  equal: sameNumber,
};
