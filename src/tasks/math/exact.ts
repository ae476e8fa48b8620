/** Values of expressions without symbols, as exact fractions where they are fractions of bearable length. */
import { rational, type Rational } from '../numbers';
import type { Budget } from './budget';
import type { Tree } from './tree';

/** Longest numerator or denominator, in bits. */
const MAX_BITS = 4096;
const MAX_FACTORIAL = 500n;

const abs = (value: bigint): bigint => (value < 0n ? -value : value);
const bits = (value: bigint): number => abs(value).toString(16).length * 4;

/** null where the value is no fraction, is not defined or is too long. @throws OutOfSteps */
export function exactValue(tree: Tree, budget: Budget): Rational | null {
  budget.spend();
  if (tree.kind === 'number') return tree.value;
  if (tree.kind !== 'call') return null;
  const rule = Object.hasOwn(RULES, tree.op) ? RULES[tree.op] : undefined;
  if (!rule) return null;
  const values: Rational[] = [];
  for (const arg of tree.args) {
    const value = exactValue(arg, budget);
    if (value === null) return null;
    values.push(value);
  }
  const result = rule(values, budget);
  if (result === null) return null;
  const size = bits(result.numerator) + bits(result.denominator);
  budget.spend(size >> 5);
  return size > MAX_BITS ? null : result;
}

/** `exactValue` of a whole number, or null. */
export function wholeValue(tree: Tree, budget: Budget): bigint | null {
  const value = exactValue(tree, budget);
  return value?.denominator === 1n ? value.numerator : null;
}

type Rule = (values: Rational[], budget: Budget) => Rational | null;

const RULES: Readonly<Record<string, Rule>> = {
  Add: (values) =>
    values.reduce((x, y) =>
      rational(x.numerator * y.denominator + y.numerator * x.denominator, x.denominator * y.denominator),
    ),
  Multiply: (values) => values.reduce((x, y) => rational(x.numerator * y.numerator, x.denominator * y.denominator)),
  Negate: ([x]) => (x ? { numerator: -x.numerator, denominator: x.denominator } : null),
  Divide: ([x, y]) => (x && y ? divided(x, y) : null),
  Power: ([x, y]) => (x && y ? power(x, y) : null),
  Root: ([x, n]) => (x && n?.denominator === 1n ? root(x, n.numerator) : null),
  Abs: ([x]) => (x ? { numerator: abs(x.numerator), denominator: x.denominator } : null),
  Floor: ([x]) => (x ? rational(floor(x), 1n) : null),
  Ceil: ([x]) => (x ? rational(-floor({ numerator: -x.numerator, denominator: x.denominator }), 1n) : null),
  Factorial: ([x], budget) => factorial(x, budget),
  DoubleFactorial: ([x], budget) => factorial(x, budget, 2n),
  Binomial: ([n, k], budget) => binomial(n, k, budget),
};

function divided(x: Rational, y: Rational): Rational | null {
  if (y.numerator === 0n) return null;
  const sign = y.numerator < 0n ? -1n : 1n;
  return rational(sign * x.numerator * y.denominator, sign * x.denominator * y.numerator);
}

function power(x: Rational, y: Rational): Rational | null {
  if (y.denominator !== 1n) {
    const base = x.numerator < 0n ? null : root(x, y.denominator);
    return base && power(base, { numerator: y.numerator, denominator: 1n });
  }
  const exponent = abs(y.numerator);
  if (x.numerator === 0n) return exponent === 0n || y.numerator < 0n ? null : x;
  if (x.denominator === 1n && abs(x.numerator) === 1n) {
    return { numerator: x.numerator === 1n || exponent % 2n === 0n ? 1n : -1n, denominator: 1n };
  }
  if (exponent * BigInt(bits(x.numerator) + bits(x.denominator)) > BigInt(2 * MAX_BITS)) return null;
  const raised = { numerator: x.numerator ** exponent, denominator: x.denominator ** exponent };
  return y.numerator < 0n ? divided({ numerator: 1n, denominator: 1n }, raised) : raised;
}

function root(x: Rational, degree: bigint): Rational | null {
  if (degree < 2n || degree > 64n || (x.numerator < 0n && degree % 2n === 0n)) return null;
  const top = wholeRoot(abs(x.numerator), degree);
  const bottom = wholeRoot(x.denominator, degree);
  return top === null || bottom === null ? null : { numerator: x.numerator < 0n ? -top : top, denominator: bottom };
}

/** The whole number whose power is `x`, or null. Newton's steps from above. */
export function wholeRoot(x: bigint, degree: bigint): bigint | null {
  if (x < 2n) return x;
  let guess = 1n << BigInt(Math.ceil(bits(x) / Number(degree)) + 1);
  for (;;) {
    const next = ((degree - 1n) * guess + x / guess ** (degree - 1n)) / degree;
    if (next >= guess) break;
    guess = next;
  }
  return guess ** degree === x ? guess : null;
}

function floor({ numerator, denominator }: Rational): bigint {
  const quotient = numerator / denominator;
  return numerator < 0n && quotient * denominator !== numerator ? quotient - 1n : quotient;
}

/** x (x − step) (x − 2 step) … */
function factorial(x: Rational | undefined, budget: Budget, step = 1n): Rational | null {
  if (x?.denominator !== 1n || x.numerator < 0n || x.numerator > MAX_FACTORIAL) return null;
  let result = 1n;
  for (let i = x.numerator; i > 1n; i -= step) {
    budget.spend();
    result *= i;
  }
  return { numerator: result, denominator: 1n };
}

function binomial(n: Rational | undefined, k: Rational | undefined, budget: Budget): Rational | null {
  if (n?.denominator !== 1n || k?.denominator !== 1n) return null;
  const [total, chosen] = [n.numerator, k.numerator];
  if (total < 0n || chosen < 0n || chosen > MAX_FACTORIAL || total > 10n ** 12n) return null;
  let result = 1n;
  for (let i = 0n; i < chosen; i++) {
    budget.spend();
    result = (result * (total - i)) / (i + 1n);
  }
  return { numerator: result, denominator: 1n };
}
