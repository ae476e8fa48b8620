/** The table of operations: what passes calls on does with each what it says. */
import { expect, it } from 'vitest';
import {
  callOn,
  CALLS,
  noteAdapters,
  operation,
  OPERATION_NAMES,
  passedOn,
  REPEATED,
} from '../../src/engine/operations';
import { HostEngine } from '../../src/engine/reference/hostEngine';

it('names every operation of an engine and nothing else', () => {
  const methods = Object.getOwnPropertyNames(HostEngine.prototype);
  for (const name of OPERATION_NAMES) expect(methods).toContain(name);
  expect(OPERATION_NAMES).not.toContain('dispose');
});

it('passes a call on with its name and all its arguments, in both directions', async () => {
  const asked: unknown[] = [];
  const calls = passedOn(CALLS, async (name, args) => {
    asked.push([name, ...args]);
    return name as never;
  });
  expect(Object.keys(calls).sort()).toEqual([...CALLS].sort());
  for (const name of CALLS) {
    const given = [1, 'two', [3]] as never;
    expect(await callOn(calls, name, given)).toBe(name);
    expect(asked.at(-1)).toEqual([name, 1, 'two', [3]]);
  }
});

it('knows which calls change what is there, and repeats none of them', () => {
  const changing = CALLS.filter((name) => operation(name).adds !== undefined || operation(name).removes !== undefined);
  expect(changing).toEqual(['createAdapter', 'importAdapter', 'copyAdapter', 'deleteAdapter']);
  expect(REPEATED.filter((name) => (changing as string[]).includes(name))).toEqual([]);
  const present = new Set<string>();
  const config = { rank: 1, alpha: 1, targets: [] };
  noteAdapters(present, 'createAdapter', ['a', config, 1]);
  noteAdapters(present, 'copyAdapter', ['a', 'b']);
  noteAdapters(present, 'importAdapter', ['c', { config, tensors: new Map() }]);
  noteAdapters(present, 'deleteAdapter', ['a']);
  noteAdapters(present, 'exportAdapter', ['d']);
  expect([...present]).toEqual(['b', 'c']);
});
