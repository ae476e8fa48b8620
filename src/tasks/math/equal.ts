/**
 * Do two formulas mean the same? Fractions are compared exactly, algebraic expressions in a finite field, others by complex doubles at
 * fixed points. Lists and sets have no order; tuples, intervals and matrices have one. Where nothing decides, they differ.
 */
import { Budget, OutOfSteps } from './budget';
import { exactValue } from './exact';
import { fieldValue, isZero, sameElement, times, type Element } from './field';
import { NoFormula } from './lexer';
import { coordinate, isFinite, modulus, numericValue, type Complex } from './numeric';
import { parseFormula } from './parser';
import { call, isCall, symbolsOf, type Tree } from './tree';

/** Points of the field; one would do with probability 1 − 2⁻¹⁰⁰. */
const FIELD_POINTS = 2;
/** Points of doubles, and how many of them must be defined. */
const POINTS = 8;
const NEEDED = 3;
const RELATIVE_ERROR = 1e-10;
/** Longest lists that are compared without regard to order. */
const MAX_MEMBERS = 60;
/** Signs ± that are written out. */
const MAX_SIGNS = 3;

/** Equal as mathematics; false for what cannot be read or asks for too much work. */
export function sameFormula(a: string, b: string, budget = new Budget()): boolean {
  try {
    const [left, right] = [parseFormula(a, budget), parseFormula(b, budget)];
    const [name, other] = [ownerOf(left), ownerOf(right)];
    // Values of two variables are two answers; a bare value answers for either.
    if (name !== null && other !== null && name !== other) return false;
    // "1, 2" does not say which of x and y is 1.
    if (ownersOf(left) > 1 !== ownersOf(right) > 1) return false;
    return sameMembers(membersOf(left, budget), membersOf(right, budget), budget);
  } catch (error) {
    if (error instanceof NoFormula || error instanceof OutOfSteps) return false;
    throw error;
  }
}

/** How many variables a list gives a value of its own. */
function ownersOf(tree: Tree): number {
  const names = isCall(tree, 'List') ? tree.args.map((item) => assigned(item)?.name) : [];
  return new Set(names.filter((name) => name !== undefined)).size;
}

/** The one variable of which an answer says values: x of "x = 1, x = 2". */
function ownerOf(tree: Tree): string | null {
  const names = (isCall(tree, 'List') ? tree.args : [tree]).map((item) => assigned(item)?.name ?? null);
  return new Set(names).size === 1 ? (names[0] ?? null) : null;
}

/** What an answer consists of: the members of a list or set, both values of a ±, or the one thing that it is. */
function membersOf(tree: Tree, budget: Budget): Tree[] {
  const inner = assigned(tree)?.value ?? tree;
  if (isCall(inner, 'Set')) return distinct(inner.args.flatMap(bothSigns), budget);
  const items = (isCall(tree, 'List') ? tree.args : [tree]).flatMap(bothSigns);
  const names = new Set(items.map((item) => assigned(item)?.name).filter((name) => name !== undefined));
  const plain = items.length > 1 || symbolsOf(assigned(tree)?.value ?? tree).size === 0;
  // "x = 1, x = 2" lists values; "x = 1, y = 2" says whose they are.
  return names.size === 1 && plain ? items.map((item) => assigned(item)?.value ?? item) : items;
}

/** The name and the value of "x = 5", "f(x) = 2x", "x = 2 + 3 = 5" and "x ∈ S", where the value does not speak of the name. */
function assigned(tree: Tree): { name: string; value: Tree } | null {
  if (tree.kind !== 'call' || !/^Relation [=∈≈](?: [=≈])*$/.test(tree.op)) return null;
  const [left, ...rest] = tree.args;
  const last = tree.op.includes('≈') ? tree.op.split(' ').indexOf('≈') - 2 : rest.length - 1;
  const value = rest[Math.max(0, last)];
  const name = left && nameOf(left);
  if (!name || !value || rest.length === 0) return null;
  return symbolsOf(value).has(name) ? null : { name, value };
}

function nameOf(tree: Tree): string | null {
  if (tree.kind === 'symbol') return tree.name;
  if (tree.kind === 'text') return tree.text;
  const [first] = tree.kind === 'call' ? tree.args : [];
  if (tree.kind === 'call' && tree.op.startsWith('Apply ') && first?.kind === 'symbol')
    return `${tree.op} ${first.name}`;
  if ((isCall(tree, 'Indexed') || isCall(tree, 'Prime')) && first?.kind === 'symbol')
    return JSON.stringify(tree, plain);
  return null;
}

const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

/** The values that ± and ∓ stand for; both signs together change together. */
function bothSigns(tree: Tree): Tree[] {
  const [plus, minus] = [count(tree, 'PlusMinus'), count(tree, 'MinusPlus')];
  if (plus + minus === 0 || plus > MAX_SIGNS) return [tree];
  if (minus > 0) return [withSigns(tree, () => 0), withSigns(tree, () => 1)];
  return Array.from({ length: 2 ** plus }, (_, choice) => {
    let place = 0;
    return withSigns(tree, () => (choice >> place++) & 1);
  });
}

function count(tree: Tree, op: string): number {
  return tree.kind === 'call' ? tree.args.reduce((sum, arg) => sum + count(arg, op), tree.op === op ? 1 : 0) : 0;
}

function withSigns(tree: Tree, next: () => number): Tree {
  if (tree.kind !== 'call') return tree;
  const sign = tree.op === 'PlusMinus' || tree.op === 'MinusPlus' ? next() : 0;
  const args = tree.args.map((arg) => withSigns(arg, next));
  if (tree.op !== 'PlusMinus' && tree.op !== 'MinusPlus') return call(tree.op, ...args);
  const negative = (tree.op === 'MinusPlus') !== (sign === 1);
  return negative ? call('Negate', ...args) : (args[0] as Tree);
}

/** The members of a set, each once; a list counts what it says twice. */
function distinct(members: readonly Tree[], budget: Budget): Tree[] {
  if (members.length > MAX_MEMBERS) return [...members];
  return members.filter((member, i) => !members.slice(0, i).some((other) => sameItem(member, other, budget)));
}

/** Every member of one has a partner of its own in the other. */
function sameMembers(a: readonly Tree[], b: readonly Tree[], budget: Budget): boolean {
  if (a.length !== b.length || a.length > MAX_MEMBERS) return false;
  const rest = [...b];
  return a.every((member) => {
    const index = rest.findIndex((candidate) => sameItem(member, candidate, budget));
    if (index >= 0) rest.splice(index, 1);
    return index >= 0;
  });
}

/** As `sameTree`, but "y = 2x" is the value 2x too. */
function sameItem(a: Tree, b: Tree, budget: Budget): boolean {
  if (isRelation(a) === isRelation(b)) return sameTree(a, b, budget);
  const [left, right] = [assigned(a)?.value ?? a, assigned(b)?.value ?? b];
  return !isRelation(left) && !isRelation(right) && sameTree(left, right, budget);
}

function isRelation(tree: Tree): tree is Extract<Tree, { kind: 'call' }> {
  return tree.kind === 'call' && tree.op.startsWith('Relation ');
}

function sameTree(a: Tree, b: Tree, budget: Budget): boolean {
  budget.spend();
  if (a.kind === 'text' || b.kind === 'text') return a.kind === 'text' && b.kind === 'text' && a.text === b.text;
  if (isRelation(a) && isRelation(b)) return sameRelation(a, b, budget);
  const value = sameValue(a, b, budget);
  if (value !== null) return value;
  if (a.kind !== 'call' || b.kind !== 'call') return a.kind === 'symbol' && b.kind === 'symbol' && a.name === b.name;
  if (a.op !== b.op) return false;
  if (a.op === 'Set') return sameMembers(distinct(a.args, budget), distinct(b.args, budget), budget);
  if (a.op === 'List') return sameMembers(a.args, b.args, budget);
  if (a.op === '∪' || a.op === '∩') return sameMembers(operands(a, a.op), operands(b, b.op), budget);
  return a.args.length === b.args.length && a.args.every((arg, index) => sameTree(arg, b.args[index] as Tree, budget));
}

function operands(tree: Tree, op: string): Tree[] {
  return isCall(tree, op) ? tree.args.flatMap((arg) => operands(arg, op)) : [tree];
}

/** Equations by their difference up to a factor that is constant and not 0; inequalities up to a positive one. */
function sameRelation(a: Extract<Tree, { kind: 'call' }>, b: Extract<Tree, { kind: 'call' }>, budget: Budget): boolean {
  if (a.args.length !== b.args.length) return false;
  const [left, right] = [directed(a), directed(b)];
  if (left.op === right.op && left.args.every((arg, i) => sameTree(arg, right.args[i] as Tree, budget))) return true;
  if (left.op === 'Relation =' && right.op === 'Relation =') return proportional(left, right, false, budget);
  if (left.op === 'Relation !=' && right.op === 'Relation !=') return proportional(left, right, false, budget);
  return left.op === right.op && /^Relation <=?$/.test(left.op) && proportional(left, right, true, budget);
}

/** a > b as b < a, also in chains. */
function directed(tree: Extract<Tree, { kind: 'call' }>): Extract<Tree, { kind: 'call' }> {
  const signs = tree.op.split(' ').slice(1);
  if (!signs.every((sign) => sign === '>' || sign === '>=')) return tree;
  const turned = signs.reverse().map((sign) => sign.replace('>', '<'));
  return { kind: 'call', op: `Relation ${turned.join(' ')}`, args: [...tree.args].reverse() };
}

function proportional(a: { args: Tree[] }, b: { args: Tree[] }, positive: boolean, budget: Budget): boolean {
  const [x, y] = [difference(a.args), difference(b.args)];
  const names = [...new Set([...symbolsOf(x), ...symbolsOf(y)])].sort();
  if (names.length === 0) return false;
  const field = fieldRatio(x, y, budget);
  if (field === false || (field === true && !positive)) return field;
  let first: Complex | null = null;
  let compared = 0;
  for (let point = 0; point < POINTS; point++) {
    const at = pointOf(names, point);
    const [left, right] = [numericValue(x, at, budget), numericValue(y, at, budget)];
    if (!left || !right) return false;
    if (!isFinite(left) && !isFinite(right)) continue;
    const ratio = { re: left.re / right.re, im: 0 };
    if (left.im !== 0 || right.im !== 0 || !Number.isFinite(ratio.re) || ratio.re === 0) return false;
    if (positive && ratio.re < 0) return false;
    first ??= ratio;
    if (!near(first, ratio)) return false;
    compared++;
  }
  return compared >= NEEDED;
}

function difference([left, right]: Tree[]): Tree {
  return call('Add', left as Tree, call('Negate', right as Tree));
}

/** Is x/y the same at all points of the field? null where it does not say. */
function fieldRatio(x: Tree, y: Tree, budget: Budget): boolean | null {
  let first: [Element, Element] | null = null;
  for (let point = 0; point <= FIELD_POINTS; point++) {
    const [left, right] = [fieldValue(x, point, budget), fieldValue(y, point, budget)];
    if (!left || !right) return null;
    if (isZero(left) || isZero(right)) return false;
    first ??= [left, right];
    if (!sameElement(times(first[0], right), times(first[1], left))) return false;
  }
  return true;
}

/** Compares values; null when one side has none (sets, intervals) or too few points are defined. */
function sameValue(a: Tree, b: Tree, budget: Budget): boolean | null {
  const [x, y] = [exactValue(a, budget), exactValue(b, budget)];
  if (x && y) return x.numerator === y.numerator && x.denominator === y.denominator;
  const field = sameInField(a, b, budget);
  return field ?? sameInDoubles(a, b, budget);
}

function sameInField(a: Tree, b: Tree, budget: Budget): boolean | null {
  for (let point = 0; point < FIELD_POINTS; point++) {
    const [left, right] = [fieldValue(a, point, budget), fieldValue(b, point, budget)];
    if (!left || !right) return null;
    if (!sameElement(left, right)) return false;
  }
  return true;
}

function sameInDoubles(a: Tree, b: Tree, budget: Budget): boolean | null {
  const names = [...new Set([...symbolsOf(a), ...symbolsOf(b)])].sort();
  let compared = 0;
  const points = names.length === 0 ? 1 : POINTS;
  for (let point = 0; point < points; point++) {
    const at = pointOf(names, point);
    const [left, right] = [numericValue(a, at, budget), numericValue(b, at, budget)];
    if (left === null || right === null) return null;
    const defined = [left, right].filter(isFinite).length;
    if (defined === 0) continue;
    // What has a value where the other has none is something else.
    if (defined === 1 || !near(left, right)) return false;
    compared++;
  }
  return compared >= Math.min(NEEDED, points) ? true : null;
}

function pointOf(names: readonly string[], point: number): Map<string, number> {
  return new Map(names.map((name, index) => [name, coordinate(index, point)]));
}

/** Relative alone: what is tiny is not 0. */
function near(x: Complex, y: Complex): boolean {
  return modulus({ re: x.re - y.re, im: x.im - y.im }) <= RELATIVE_ERROR * Math.max(modulus(x), modulus(y));
}
