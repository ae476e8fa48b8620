/** Expressions as trees. */
import type { Rational } from '../numbers';

export type Tree =
  | { kind: 'number'; value: Rational }
  | { kind: 'symbol'; name: string }
  | { kind: 'text'; text: string }
  | { kind: 'call'; op: string; args: Tree[] };

export function call(op: string, ...args: Tree[]): Tree {
  return { kind: 'call', op, args };
}

export function symbol(name: string): Tree {
  return { kind: 'symbol', name };
}

export function integer(value: bigint): Tree {
  return { kind: 'number', value: { numerator: value, denominator: 1n } };
}

export function isCall(tree: Tree | undefined, op: string): tree is Extract<Tree, { kind: 'call' }> {
  return tree?.kind === 'call' && tree.op === op;
}

/** Symbols with a fixed value. */
export const CONSTANTS: ReadonlySet<string> = new Set(['pi', 'e', 'i']);

/** Names of the free symbols, each once. */
export function symbolsOf(tree: Tree, into = new Set<string>()): Set<string> {
  if (tree.kind === 'symbol' && !CONSTANTS.has(tree.name)) into.add(tree.name);
  if (tree.kind === 'call') for (const arg of tree.args) symbolsOf(arg, into);
  return into;
}
