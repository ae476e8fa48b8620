/**
 * Values of algebraic expressions in a finite field with 127 bits and its square extension. Two expressions that have the same
 * values at points drawn from it are the same (Schwartz 1980, Zippel 1979), whatever their size: no rounding, so 2^100 and
 * 2^100 + 1 differ, and so do 10^20 + √2 and 10^20 + √3.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { Budget } from './budget';
import { exactValue, wholeValue } from './exact';
import type { Tree } from './tree';
import type { Rational } from '../numbers';

/** A prime that leaves 3 when divided by 4: −1 has no root, so a + b·i are the square extension and i is the imaginary unit. */
const P = 132990152392619891351050271798301602771n;
const ORDER = P * P - 1n;
const MAX_FACTORIAL = 5000n;
/** Factors of a radicand up to this are found; what is left must be prime or a square. */
const MAX_FACTOR = 1000;

export interface Element {
  a: bigint;
  b: bigint;
}

const mod = (value: bigint): bigint => ((value % P) + P) % P;
const ONE: Element = { a: 1n, b: 0n };

export function sameElement(x: Element, y: Element): boolean {
  return x.a === y.a && x.b === y.b;
}

export function isZero(x: Element): boolean {
  return x.a === 0n && x.b === 0n;
}

export function times(x: Element, y: Element): Element {
  return { a: mod(x.a * y.a - x.b * y.b), b: mod(x.a * y.b + x.b * y.a) };
}

/** The value at a point; null for what is not algebraic or not defined there. @throws OutOfSteps */
export function fieldValue(tree: Tree, point: number, budget: Budget): Element | null {
  budget.spend();
  if (tree.kind === 'number') return ofRational(tree.value);
  if (tree.kind === 'text') return null;
  if (tree.kind === 'symbol') return tree.name === 'i' ? { a: 0n, b: 1n } : drawn(`${point} ${tree.name}`, budget);
  const { op, args } = tree;
  if (op === 'Power') return powerOf(args, point, budget);
  if (op === 'Root' || op === 'Abs' || op === 'Floor' || op === 'Ceil' || op === 'Binomial')
    return constant(tree, budget);
  if (op === 'Factorial') return factorial(args[0] as Tree, budget);
  const named = op.startsWith('Apply ') || op === 'Indexed' || op === 'Prime';
  if (!named && !Object.hasOwn(RULES, op)) return null;
  const values: Element[] = [];
  for (const arg of args) {
    const value = fieldValue(arg, point, budget);
    if (value === null) return null;
    values.push(value);
  }
  // f(2), x_1 and x' are what they are, and the same for the same arguments.
  if (named) return drawn(`${point} ${op} ${values.map(({ a, b }) => `${a},${b}`).join(' ')}`, budget);
  return (RULES[op] as Rule)(values, budget);
}

type Rule = (values: Element[], budget: Budget) => Element | null;

const RULES: Readonly<Record<string, Rule>> = {
  Add: (values) => values.reduce((x, y) => ({ a: mod(x.a + y.a), b: mod(x.b + y.b) })),
  Multiply: (values) => values.reduce(times),
  Negate: ([x]) => (x ? { a: mod(-x.a), b: mod(-x.b) } : null),
  Divide: ([x, y], budget) => {
    const inverse = y && inverted(y, budget);
    return x && inverse ? times(x, inverse) : null;
  },
};

function inverted(x: Element, budget: Budget): Element | null {
  budget.spend(8);
  const inverse = inverseOf(mod(x.a * x.a + x.b * x.b));
  return inverse === null ? null : { a: mod(x.a * inverse), b: mod(-x.b * inverse) };
}

/** Euclid's steps; at most 184 of them. */
function inverseOf(value: bigint): bigint | null {
  let [r, next] = [P, value];
  let [t, nextT] = [0n, 1n];
  while (next !== 0n) {
    const quotient = r / next;
    [r, next] = [next, r - quotient * next];
    [t, nextT] = [nextT, t - quotient * nextT];
  }
  return r === 1n ? mod(t) : null;
}

function raised(x: Element, exponent: bigint, budget: Budget): Element {
  let result = ONE;
  let square = x;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    budget.spend();
    if (rest & 1n) result = times(result, square);
    square = times(square, square);
  }
  return result;
}

/** Whole exponents, and halves of whole bases. */
function powerOf([base, exponent]: Tree[], point: number, budget: Budget): Element | null {
  if (!base || !exponent) return null;
  const power = exactValue(exponent, budget);
  if (power?.denominator === 2n) {
    const half = rootOf(exactValue(base, budget), budget);
    return half && signedPower(half, power.numerator, budget);
  }
  if (power?.denominator !== 1n) return null;
  const value = fieldValue(base, point, budget);
  if (value === null || (isZero(value) && power.numerator <= 0n)) return null;
  return signedPower(value, power.numerator, budget);
}

function signedPower(x: Element, exponent: bigint, budget: Budget): Element {
  if (isZero(x)) return x;
  return raised(x, ((exponent % ORDER) + ORDER) % ORDER, budget);
}

function constant(tree: Tree & { kind: 'call' }, budget: Budget): Element | null {
  const value = exactValue(tree, budget);
  if (value) return ofRational(value);
  const [radicand, degree] = tree.args;
  if (tree.op !== 'Root' || !radicand || !degree || wholeValue(degree, budget) !== 2n) return null;
  return rootOf(exactValue(radicand, budget), budget);
}

/** √(n/d) = √(n·d)/d, as a product of the roots of primes, each of which is one of its two roots in the field. */
function rootOf(value: Rational | null, budget: Budget): Element | null {
  if (!value) return null;
  const { numerator, denominator } = value;
  let rest = (numerator < 0n ? -numerator : numerator) * denominator;
  if (rest === 0n) return { a: 0n, b: 0n };
  let result: Element = numerator < 0n ? { a: 0n, b: 1n } : ONE;
  for (let factor = 2n; factor <= MAX_FACTOR && factor * factor <= rest; factor++) {
    budget.spend();
    while (rest % factor === 0n) {
      rest /= factor;
      result = times(result, primeRoot(factor, budget));
    }
  }
  if (rest > BigInt(MAX_FACTOR) ** 2n) return null;
  if (rest > 1n) result = times(result, primeRoot(rest, budget));
  const inverse = inverted(ofWhole(denominator), budget);
  return inverse && times(result, inverse);
}

/** One root of a prime; always the same one. */
function primeRoot(prime: bigint, budget: Budget): Element {
  const quarter = (P + 1n) / 4n;
  const root = raised(ofWhole(prime), quarter, budget);
  if (sameElement(times(root, root), ofWhole(prime))) return root;
  return { a: 0n, b: raised(ofWhole(-prime), quarter, budget).a };
}

function ofWhole(value: bigint): Element {
  return { a: mod(value), b: 0n };
}

function ofRational({ numerator, denominator }: Rational): Element | null {
  if (denominator === 1n) return ofWhole(numerator);
  const inverse = inverseOf(mod(denominator));
  return inverse === null ? null : ofWhole(mod(numerator) * inverse);
}

function factorial(tree: Tree, budget: Budget): Element | null {
  const n = wholeValue(tree, budget);
  if (n === null) return null;
  if (n < 0n || n > MAX_FACTORIAL) return null;
  let result = 1n;
  for (let i = 2n; i <= n; i++) {
    budget.spend();
    result = (result * i) % P;
  }
  return ofWhole(result);
}

/** An element that belongs to a name, the same on every device. */
function drawn(name: string, budget: Budget): Element {
  budget.spend(1 + (name.length >> 4));
  const bytes = sha256(utf8ToBytes(name));
  return { a: mod(numberOf(bytes.subarray(0, 16))), b: mod(numberOf(bytes.subarray(16))) };
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}
