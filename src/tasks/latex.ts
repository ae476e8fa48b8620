/**
 * Do two LaTeX expressions mean the same? Cortex' LaTeX parser (@cortex-js/compute-engine, MIT; 111 kB gzipped, so it is loaded
 * when a task needs it) gives MathJSON trees; two trees are equal when they are built alike from equal parts, or when both
 * have the same value at fixed points for every free symbol. That finds (x−1)(x+1) = x²−1 and √8 = 2√2, needs no
 * simplification and cannot run away. Points are fixed, so every device says the same.
 */
import type { LatexSyntax, MathJsonExpression } from '@cortex-js/compute-engine/latex-syntax';
import { drawUniform } from '../random';

/** Longer texts and deeper nesting are no answers; the parser is not asked about them. */
const MAX_LENGTH = 200;
const MAX_DEPTH = 24;
/** Where expressions are compared: symbols between ±0.5 and ±3.5. */
const POINTS = 8;
/** Fewest points at which both sides must have a finite value. */
const NEEDED = 3;
const RELATIVE_ERROR = 1e-10;

let parser: LatexSyntax | null = null;

/** Loads the parser. Until then only texts that are alike are equal. */
export async function prepareLatex(): Promise<void> {
  if (parser) return;
  const library = await import('@cortex-js/compute-engine/latex-syntax');
  parser = new library.LatexSyntax();
}

/** Equal as mathematics. Anything that cannot be parsed is equal to nothing but its own text. */
export function sameLatex(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [parse(a), parse(b)];
  return left !== null && right !== null && sameTree(left, right);
}

/** MathJSON in one shape: a number or its text, a symbol, a quoted string, or an operator with its operands. */
type Tree =
  | { kind: 'number'; value: number }
  | { kind: 'symbol'; name: string }
  | { kind: 'text'; name: string }
  | { kind: 'call'; op: string; args: Tree[] };

function parse(text: string): Tree | null {
  if (!parser || text.length > MAX_LENGTH || depth(text) > MAX_DEPTH) return null;
  try {
    return treeOf(parser.parse(text));
  } catch {
    return null;
  }
}

function depth(text: string): number {
  let open = 0;
  let deepest = 0;
  for (const character of text) {
    if ('{(['.includes(character)) deepest = Math.max(deepest, ++open);
    else if ('})]'.includes(character)) open--;
  }
  return deepest;
}

/** @throws Error for what the parser marks as an error. */
function treeOf(node: MathJsonExpression | null): Tree {
  if (typeof node === 'number') return { kind: 'number', value: node };
  if (typeof node === 'string') return leafOf(node);
  if (Array.isArray(node)) {
    const [op, ...args] = node as [unknown, ...MathJsonExpression[]];
    if (typeof op !== 'string' || op === 'Error') throw new Error('not an expression');
    return { kind: 'call', op, args: args.map(treeOf) };
  }
  if (node && 'num' in node) return { kind: 'number', value: numberOf(String(node.num)) };
  if (node && 'str' in node) return { kind: 'text', name: node.str };
  if (node && 'sym' in node) return { kind: 'symbol', name: node.sym };
  if (node && 'fn' in node) return treeOf(node.fn as MathJsonExpression);
  throw new Error('not an expression');
}

function leafOf(text: string): Tree {
  const quoted = /^'(.*)'$/s.exec(text);
  if (quoted) return { kind: 'text', name: (quoted[1] ?? '').trim().toLowerCase() };
  return /^[-+]?\.?\d/.test(text) ? { kind: 'number', value: numberOf(text) } : { kind: 'symbol', name: text };
}

/** Repeating decimals are written 0.(3). */
function numberOf(text: string): number {
  const repeating = /^(-?\d*)\.(\d*)\((\d+)\)$/.exec(text);
  if (!repeating) return Number(text);
  const [, whole = '', fixed = '', period = ''] = repeating;
  const scale = 10 ** fixed.length;
  const tail = Number(period) / (10 ** period.length - 1) / scale;
  const start = Number(`${whole || '0'}.${fixed || '0'}`);
  return whole.startsWith('-') ? start - tail : start + tail;
}

function sameTree(a: Tree, b: Tree): boolean {
  if (a.kind === 'text' || b.kind === 'text') return a.kind === 'text' && b.kind === 'text' && a.name === b.name;
  const byValue = sameValue(a, b);
  if (byValue !== null) return byValue;
  if (a.kind !== 'call' || b.kind !== 'call') return a.kind === 'symbol' && b.kind === 'symbol' && a.name === b.name;
  if (a.op !== b.op || a.args.length !== b.args.length) return false;
  if (a.op === 'Set') return sameMembers(a.args, b.args);
  return a.args.every((arg, index) => sameTree(arg, b.args[index] as Tree));
}

/** Every member of one has a partner of its own in the other. */
function sameMembers(a: readonly Tree[], b: readonly Tree[]): boolean {
  const rest = [...b];
  return a.every((member) => {
    const index = rest.findIndex((candidate) => sameTree(member, candidate));
    if (index >= 0) rest.splice(index, 1);
    return index >= 0;
  });
}

/** Compares values at the points; null when one side has none (sets, intervals, equations) or too few points are defined. */
function sameValue(a: Tree, b: Tree): boolean | null {
  const names = [...new Set([...symbolsOf(a), ...symbolsOf(b)])].sort();
  let compared = 0;
  for (let point = 0; point < POINTS; point++) {
    const at = new Map(names.map((name, index) => [name, coordinate(index, point)]));
    const left = valueOf(a, at);
    const right = valueOf(b, at);
    if (left === null || right === null) return null;
    const defined = [left, right].filter(Number.isFinite).length;
    if (defined === 0) continue;
    // What has a value where the other has none is something else.
    if (defined === 1 || !(Math.abs(left - right) <= RELATIVE_ERROR * Math.max(1e-6, Math.abs(left), Math.abs(right))))
      return false;
    compared++;
  }
  return compared >= NEEDED ? true : null;
}

/** Positive at even points, mixed at odd ones, so that √x² and x differ. */
function coordinate(symbol: number, point: number): number {
  const name = { seed: 0, stream: 0, problem: symbol };
  const size = 0.5 + 3 * drawUniform(name, 2 * point);
  return point % 2 === 1 && drawUniform(name, 2 * point + 1) < 0.75 ? -size : size;
}

function symbolsOf(tree: Tree): string[] {
  if (tree.kind === 'call') return tree.args.flatMap(symbolsOf);
  return tree.kind === 'symbol' && !Object.hasOwn(CONSTANTS, tree.name) ? [tree.name] : [];
}

const CONSTANTS: Readonly<Record<string, number>> = { Pi: Math.PI, e: Math.E, ExponentialE: Math.E };

const sum = (values: number[]) => values.reduce((x, y) => x + y, 0);
const product = (values: number[]) => values.reduce((x, y) => x * y, 1);

/** Operators with values. One that is not here is compared by its structure. */
const OPERATORS: Readonly<Record<string, (...values: number[]) => number>> = {
  Add: (...values) => sum(values),
  Subtract: (x = NaN, ...rest) => (rest.length === 0 ? -x : x - sum(rest)),
  Negate: (x = NaN) => -x,
  Multiply: (...values) => product(values),
  InvisibleOperator: (...values) => product(values),
  Divide: (x = NaN, y = NaN) => x / y,
  Rational: (x = NaN, y = NaN) => x / y,
  Power: (x = NaN, y = NaN) => x ** y,
  Square: (x = NaN) => x * x,
  Sqrt: (x = NaN) => Math.sqrt(x),
  Root: (x = NaN, n = 2) => (x < 0 && n % 2 === 1 ? -((-x) ** (1 / n)) : x ** (1 / n)),
  Abs: (x = NaN) => Math.abs(x),
  Exp: (x = NaN) => Math.exp(x),
  Ln: (x = NaN) => Math.log(x),
  Lb: (x = NaN) => Math.log2(x),
  Log: (x = NaN, base = 10) => Math.log(x) / Math.log(base),
  Sin: (x = NaN) => Math.sin(x),
  Cos: (x = NaN) => Math.cos(x),
  Tan: (x = NaN) => Math.tan(x),
  Arcsin: (x = NaN) => Math.asin(x),
  Arccos: (x = NaN) => Math.acos(x),
  Arctan: (x = NaN) => Math.atan(x),
  Factorial: (n = NaN) => factorial(n),
  Binomial: (n = NaN, k = NaN) => factorial(n) / factorial(k) / factorial(n - k),
  Degrees: (x = NaN) => x,
};

/** NaN where it is not defined; beyond 170 it is no double. */
function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) return NaN;
  let result = 1;
  for (let i = 2; i <= n; i++) result *= i;
  return result;
}

/** null = not a number-valued expression. */
function valueOf(tree: Tree, at: ReadonlyMap<string, number>): number | null {
  if (tree.kind === 'number') return tree.value;
  if (tree.kind === 'text') return null;
  if (tree.kind === 'symbol') return CONSTANTS[tree.name] ?? at.get(tree.name) ?? null;
  if (tree.op === 'Delimiter') {
    const [inner] = tree.args;
    return inner && tree.args.length === 1 ? valueOf(inner, at) : null;
  }
  const operator = Object.hasOwn(OPERATORS, tree.op) ? OPERATORS[tree.op] : undefined;
  if (!operator) return null;
  const values = tree.args.map((arg) => valueOf(arg, at));
  return values.includes(null) ? null : operator(...(values as number[]));
}
