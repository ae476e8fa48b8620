/** Values of expressions as complex doubles, for what is not algebraic: roots of symbols, logarithms, angles. */
import { drawUniform } from '../../random';
import type { Budget } from './budget';
import { rational, type Rational } from '../numbers';
import { CONSTANTS, type Tree } from './tree';

export interface Complex {
  re: number;
  im: number;
}

const NOWHERE: Complex = { re: NaN, im: NaN };
/** A term that is smaller than this beside another is lost to rounding. */
const LOST = 1e-11;

export const modulus = ({ re, im }: Complex): number => Math.hypot(re, im);
export const isFinite = ({ re, im }: Complex): boolean => Number.isFinite(re) && Number.isFinite(im);

/** Where expressions are compared: symbols by their place among the names, positive at even points, of both signs at odd ones. */
export function coordinate(place: number, point: number): number {
  const name = { seed: 0, stream: 0, problem: place };
  const size = 0.5 + 3 * drawUniform(name, 2 * point);
  return point % 2 === 1 && drawUniform(name, 2 * point + 1) < 0.75 ? -size : size;
}

/** Numbers where symbols have the values `at`; NaN where not defined or lost to rounding; null for what has no value. @throws OutOfSteps */
export function numericValue(tree: Tree, at: ReadonlyMap<string, number>, budget: Budget): Complex | null {
  budget.spend();
  if (tree.kind === 'number') return real(doubleOf(tree.value));
  if (tree.kind === 'text') return null;
  if (tree.kind === 'symbol') return symbolValue(tree.name, at);
  const rule = Object.hasOwn(RULES, tree.op) ? RULES[tree.op] : undefined;
  if (!rule) return null;
  const values: Complex[] = [];
  for (const arg of tree.args) {
    const value = numericValue(arg, at, budget);
    if (value === null) return null;
    values.push(value);
  }
  return rule(...values);
}

function symbolValue(name: string, at: ReadonlyMap<string, number>): Complex | null {
  if (CONSTANTS.has(name)) return name === 'i' ? { re: 0, im: 1 } : real(name === 'pi' ? Math.PI : Math.E);
  const value = at.get(name);
  return name === 'infty' || value === undefined ? null : real(value);
}

/** The nearest double, or nearly; also for numerators and denominators beyond a double's range. */
function doubleOf(value: Rational): number {
  const { numerator, denominator } = rational(value.numerator, value.denominator);
  const shift = Math.max(0, Math.max(numerator.toString().length, denominator.toString().length) - 300);
  const scale = 10n ** BigInt(shift);
  return shift === 0
    ? Number(numerator) / Number(denominator)
    : Number(numerator / scale) / Number(denominator / scale);
}

const real = (re: number): Complex => ({ re, im: 0 });

function add(values: Complex[]): Complex {
  const sum = values.reduce((x, y) => ({ re: x.re + y.re, im: x.im + y.im }));
  const largest = Math.max(...values.map(modulus));
  if (values.some((x) => modulus(x) !== 0 && modulus(x) < LOST * largest)) return NOWHERE;
  // What cancels out leaves rounding alone.
  return modulus(sum) < LOST * largest ? NOWHERE : sum;
}

function multiply(x: Complex, y: Complex): Complex {
  return { re: x.re * y.re - x.im * y.im, im: x.re * y.im + x.im * y.re };
}

function divide(x: Complex, y: Complex): Complex {
  const size = y.re * y.re + y.im * y.im;
  return size === 0 ? NOWHERE : multiply(x, { re: y.re / size, im: -y.im / size });
}

/** A value so near to a bound (cos 0, arctan ∞) that the argument is lost to rounding, unless it is at the bound. */
const beside = (bound: number, value: number, at: boolean): number =>
  !at && Math.abs(value - bound) < LOST ? NaN : value;

function exp(x: Complex): Complex {
  if (modulus(x) !== 0 && modulus(x) < LOST) return NOWHERE;
  if (x.im === 0) return real(Math.exp(x.re));
  return { re: Math.exp(x.re) * Math.cos(x.im), im: Math.exp(x.re) * Math.sin(x.im) };
}

function ln(x: Complex): Complex {
  if (modulus(x) === 0) return NOWHERE;
  return x.im === 0 && x.re > 0 ? real(Math.log(x.re)) : { re: Math.log(modulus(x)), im: Math.atan2(x.im, x.re) };
}

function power(x: Complex, y: Complex): Complex {
  if (x.im === 0 && y.im === 0 && (x.re > 0 || Number.isInteger(y.re))) {
    return x.re === 0 && y.re <= 0 ? NOWHERE : real(beside(1, x.re ** y.re, x.re === 1 || y.re === 0));
  }
  if (y.im === 0 && Number.isInteger(y.re) && Math.abs(y.re) <= 64) {
    let result = real(1);
    for (let i = 0; i < Math.abs(y.re); i++) result = multiply(result, x);
    return y.re < 0 ? divide(real(1), result) : result;
  }
  return modulus(x) === 0 ? NOWHERE : exp(multiply(y, ln(x)));
}

function root(x: Complex, n: Complex): Complex {
  if (n.im !== 0 || n.re === 0) return NOWHERE;
  if (n.re === 2 && x.im === 0) return x.re < 0 ? { re: 0, im: Math.sqrt(-x.re) } : real(Math.sqrt(x.re));
  if (x.im === 0 && x.re < 0 && n.re % 2 === 1) return real(-((-x.re) ** (1 / n.re)));
  return power(x, real(1 / n.re));
}

/** A function of real numbers; elsewhere it is not defined here. */
const ofReal =
  (f: (x: number) => number) =>
  (x: Complex = NOWHERE): Complex =>
    x.im === 0 ? real(f(x.re)) : NOWHERE;

/** Angles: what should be 0 is 0 (sin π). */
const angle = (f: (x: number) => number) =>
  ofReal((x) => {
    const value = f(x);
    const none = Math.abs(x) > 1 && Math.abs(value) < 4e-16 * Math.abs(x);
    return none ? 0 : Math.abs(value) > 1e15 ? NaN : value;
  });

function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) return NaN;
  let result = 1;
  for (let i = 2; i <= n; i++) result *= i;
  return result;
}

const RULES: Readonly<Record<string, (...values: Complex[]) => Complex>> = {
  Add: (...values) => add(values),
  Multiply: (...values) => values.reduce(multiply),
  Negate: (x = NOWHERE) => ({ re: -x.re, im: -x.im }),
  Divide: (x = NOWHERE, y = NOWHERE) => divide(x, y),
  Power: (x = NOWHERE, y = NOWHERE) => power(x, y),
  Root: (x = NOWHERE, n = NOWHERE) => root(x, n),
  Abs: (x = NOWHERE) => real(modulus(x)),
  Floor: ofReal(Math.floor),
  Ceil: ofReal(Math.ceil),
  exp: (x = NOWHERE) => exp(x),
  ln: (x = NOWHERE) => ln(x),
  log: (x = NOWHERE, base = real(10)) => divide(ln(x), ln(base)),
  sin: angle(Math.sin),
  cos: angle((x) => beside(1, Math.cos(x), x === 0 || Math.abs(x) > 1)),
  tan: angle(Math.tan),
  cot: angle((x) => Math.cos(x) / Math.sin(x)),
  sec: angle((x) => beside(1, 1 / Math.cos(x), x === 0 || Math.abs(x) > 1)),
  csc: angle((x) => 1 / Math.sin(x)),
  sinh: ofReal(Math.sinh),
  cosh: ofReal((x) => beside(1, Math.cosh(x), x === 0)),
  tanh: ofReal((x) => beside(Math.sign(x), Math.tanh(x), x === 0)),
  coth: ofReal((x) => beside(Math.sign(x), 1 / Math.tanh(x), false)),
  arcsin: ofReal(Math.asin),
  arccos: ofReal(Math.acos),
  arctan: ofReal((x) => beside((Math.sign(x) * Math.PI) / 2, Math.atan(x), x === 0)),
  Factorial: ofReal(factorial),
  Binomial: (n = NOWHERE, k = NOWHERE) => real(factorial(n.re) / factorial(k.re) / factorial(n.re - k.re)),
};
