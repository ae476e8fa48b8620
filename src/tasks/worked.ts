/** What is known of a + b·c + d − e·f without asking a model: its worked solution, and how hard it is. */
import { drawInt, STREAMS } from '../random';
import { TaskError } from './errors';
import type { Candidate, Graded } from './types';

/** One step of a solution: left operator right = result. */
export interface WorkedStep {
  left: number;
  operator: '+' | '-' | '*';
  right: number;
  result: number;
}

/** The six operands of a question that holds a+b*c+d-e*f. @throws TaskError */
export function operandsIn(question: string): number[] {
  const found = /(\d+)\+(\d+)\*(\d+)\+(\d+)-(\d+)\*(\d+)/.exec(question);
  if (!found) throw new TaskError(`arithmetic: "${question}" is not of the form a+b*c+d-e*f`);
  return found.slice(1).map(Number);
}

/** Both products, then the terms from left to right: one of the orders in which the embedded model writes its steps. */
export function workedSteps(question: string): WorkedStep[] {
  const [a, b, c, d, e, f] = operandsIn(question) as [number, number, number, number, number, number];
  const step = (left: number, operator: WorkedStep['operator'], right: number): WorkedStep => {
    const result = operator === '*' ? left * right : operator === '+' ? left + right : left - right;
    return { left, operator, right, result };
  };
  const first = step(b, '*', c);
  const second = step(e, '*', f);
  const third = step(first.result, '+', a);
  const fourth = step(third.result, '+', d);
  return [first, second, third, fourth, step(fourth.result, '-', second.result)];
}

/**
 * How hard a problem is: terms + digits of all results + carries of additions and borrows of subtractions + 1 for a result below
 * zero. It needs no model and no answer of one.
 */
export function arithmeticDifficulty({ question }: { question: string }): number {
  const steps = workedSteps(question);
  const terms = steps.filter(({ operator }) => operator !== '*').length + 1;
  return steps.reduce((sum, { left, operator, right, result }) => {
    const columns = operator === '+' ? carries(left, right) : operator === '-' ? borrows(left, right) : 0;
    return sum + digits(result) + columns + (result < 0 ? 1 : 0);
  }, terms);
}

function digits(value: number): number {
  return String(Math.abs(value)).length;
}

/** Columns of x + y that carry, for whole numbers from 0. */
function carries(x: number, y: number): number {
  let count = 0;
  for (let carry = 0; x > 0 || y > 0 || carry > 0; x = Math.floor(x / 10), y = Math.floor(y / 10)) {
    carry = (x % 10) + (y % 10) + carry >= 10 ? 1 : 0;
    count += carry;
  }
  return count;
}

/** Columns of the larger minus the smaller that borrow, for whole numbers from 0. */
function borrows(x: number, y: number): number {
  let [high, low] = x >= y ? [x, y] : [y, x];
  let count = 0;
  for (let borrow = 0; low > 0 || borrow > 0; high = Math.floor(high / 10), low = Math.floor(low / 10)) {
    borrow = (high % 10) - borrow < low % 10 ? 1 : 0;
    count += borrow;
  }
  return count;
}

/** By how much a near miss is off: a slip by one, by two or by ten. */
const MISSES = [-10, -2, -1, 1, 2, 10] as const;

/** Named draws about a problem's candidates. They are the same in every run, as the choices of a file are. */
function drawOf(id: number, token: number, n: number): number {
  return drawInt({ seed: 0, stream: STREAMS.candidates, problem: id }, token, n);
}

/**
 * A true whole number and one near it, in an order that is drawn, so that it says nothing about which is true.
 * @param written a response that comes to an answer
 * @throws TaskError where the true answer is no whole number
 */
export function nearMiss({ id, gold }: Pick<Graded, 'id' | 'gold'>, written: (answer: string) => string): Candidate[] {
  if (!/^-?\d{1,15}$/.test(gold)) throw new TaskError(`there is no near miss of "${gold}": it is no whole number`);
  const candidate = (value: number): Candidate => ({ answer: String(value), text: written(String(value)) });
  const off = MISSES[drawOf(id, 1, MISSES.length)] as number;
  const [truth, other] = [candidate(Number(gold)), candidate(Number(gold) + off)];
  return drawOf(id, 0, 2) === 0 ? [truth, other] : [other, truth];
}
