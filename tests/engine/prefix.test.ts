/** What rows hold and which row a sequence gets: the host's half of the prefix cache, against plain comparison. */

import { describe, expect, it } from 'vitest';
import {
  HashedIds,
  LEAST_SHARED,
  placeSequences,
  RowContents,
  type Sequence,
  type Sharing,
} from '../../src/engine/prefix';
import { drawUniform } from '../../src/random';

let drawn = 0;
const below = (n: number): number => Math.floor(drawUniform({ seed: 11, stream: 0 }, drawn++) * n);
const ids = (length: number): number[] => Array.from({ length }, () => below(50_000));

function common(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function sequence(prompt: number[], version = 0): Sequence {
  return { hashed: HashedIds.of(prompt), version, length: prompt.length, row: -1, cached: 0, copy: null };
}

const sharing: Sharing = { rows: true, sequences: true, reusable: (length, s) => Math.min(length, s.length - 1) };

describe('hashed ids', () => {
  it('know how much two sequences have in common, as comparing them does', () => {
    for (let n = 0; n < 500; n++) {
      const shared = ids(below(40));
      // Ids from a small range, so that sequences part and meet again.
      const a = [...shared, ...Array.from({ length: below(40) }, () => below(2))];
      const b = [...shared, ...Array.from({ length: below(40) }, () => below(2))];
      expect(HashedIds.of(a).common(HashedIds.of(b))).toBe(common(a, b));
    }
  });

  it('take over the beginning of others, and grow', () => {
    const [a, tail] = [ids(30), ids(9)];
    const hashed = new HashedIds(64);
    hashed.assign(HashedIds.of(ids(50)), 50);
    hashed.assign(HashedIds.of(a), 20);
    tail.forEach((id) => hashed.push(id));
    const whole = [...a.slice(0, 20), ...tail];
    expect(hashed.length).toBe(29);
    expect(hashed.common(HashedIds.of(whole))).toBe(29);
    expect(hashed.begins(HashedIds.of(whole), 29)).toBe(true);
    expect(hashed.begins(HashedIds.of(a), 21)).toBe(false);
  });
});

describe('placing sequences in rows', () => {
  it('takes the row that has most, copies where others have it, waits for what nobody has yet', () => {
    const contents = new RowContents(6, 128);
    const [system, other, fresh] = [ids(20), ids(40), ids(30)];
    contents.hold(0, sequence([...system, ...ids(30)]), 50);
    contents.hold(1, sequence([...other, ...ids(5)]), 45);
    contents.hold(4, sequence([...system, ...ids(8)], 7), 28);
    const first = sequence([...system, ...ids(10)]);
    const second = sequence([...system, ...ids(12)]);
    const whole = sequence(other);
    const leading = sequence([...fresh, 1]);
    const waiting = sequence([...fresh, 2]);
    // Row 1 decodes.
    placeSequences(contents, [first, second, whole, leading, waiting], [0, 2, 3, 4, 5], 6, sharing);
    expect(first).toMatchObject({ row: 0, cached: 20, copy: null });
    expect(second).toMatchObject({ row: 2, cached: 0, copy: { row: 0, length: 20, of: null } });
    // The last token is left to compute.
    expect(whole).toMatchObject({ row: 3, cached: 0, copy: { row: 1, length: 39, of: null } });
    // Rows that were never used come before row 4, which other weights were used for.
    expect(leading).toMatchObject({ row: 5, cached: 0, copy: null });
    expect(waiting).toMatchObject({ row: 4, cached: 0, copy: { row: 5, length: 30, of: leading } });
  });

  it('shares nothing across versions of weights, and nothing short', () => {
    const contents = new RowContents(2, 64);
    const prompt = ids(40);
    contents.hold(0, sequence(prompt, 1), 40);
    contents.hold(1, sequence(prompt, 2), LEAST_SHARED - 1);
    const [old, short] = [sequence(prompt, 3), sequence(prompt, 2)];
    placeSequences(contents, [old, short], [0, 1], 2, sharing);
    expect([old.cached, short.cached, old.copy, short.copy]).toEqual([0, 0, null, null]);
    expect([old.row, short.row].sort()).toEqual([0, 1]);
  });

  it('never copies from a row that a copy writes, and only what is there, in random societies', () => {
    for (let n = 0; n < 300; n++) {
      const rows = 2 + below(10);
      const contents = new RowContents(rows, 256);
      const stems = [ids(20), ids(60)].map((stem) => [stem, [...stem, ...ids(20)]]).flat();
      const prompt = (): number[] => [...(stems[below(4)] as number[]), ...ids(1 + below(30))];
      for (let row = 0; row < rows; row++) {
        const held = prompt();
        if (below(4) > 0) contents.hold(row, sequence(held, below(2)), 1 + below(held.length));
      }
      const free = Array.from({ length: rows }, (_, row) => row).filter(() => below(4) > 0);
      const sequences = free.slice(0, 1 + below(free.length)).map(() => sequence(prompt(), below(2)));
      placeSequences(contents, sequences, free, rows, sharing);
      const taken = sequences.map(({ row }) => row);
      expect(new Set(taken).size).toBe(taken.length);
      expect(taken.every((row) => free.includes(row))).toBe(true);
      const copied = sequences.filter(({ copy }) => copy !== null && copy.of === null);
      const written = copied.map(({ row }) => row);
      sequences.forEach((s, i) => {
        const best = Math.max(
          ...Array.from({ length: rows }, (_, row) => sharing.reusable(contents.common(row, s), s)),
        );
        if (s.copy?.of) {
          expect(sequences.indexOf(s.copy.of as Sequence)).toBeLessThan(i);
          expect(common(s.copy.of.hashed.ids, s.hashed.ids)).toBeGreaterThanOrEqual(s.copy.length);
          expect(s.copy.length).toBeGreaterThanOrEqual(best + LEAST_SHARED);
        } else {
          const shared = s.copy?.length ?? s.cached;
          expect(shared).toBe(best >= LEAST_SHARED ? best : 0);
          if (s.copy) expect(written).not.toContain(s.copy.row);
          expect(contents.has(s.copy?.row ?? s.row, s, shared) || shared === 0).toBe(true);
        }
      });
    }
  });
});
