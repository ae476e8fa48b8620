/**
 * Puts drawn answers in the place of what a device computes: a decoder keeps its rows, its batches and what its cache holds, and nothing is computed. Answers are
 * words of the tokenizer, as many as solutions of school problems have: half of them at most 150 tokens, four fifths from 90 to 250. A question's
 * answer follows from the name of its draw, so what is asked beside it changes nothing, as with a model.
 */
import { padRows, STATE_WORDS } from '../src/engine/buffers';
import type { Decoder } from '../src/engine/gpu/decoder';

const MEDIAN = 150;
/** Of the logarithm of a length. */
const DEVIATION = 0.4;

/** @param words ids that a text may have anywhere; @param end the id that ends an answer */
export function drawAnswers(decoder: Decoder, words: readonly number[], end: number): void {
  /** By row: which answer it writes, its length and how much of it is there. */
  const rows = new Map<number, { seed: number; length: number; written: number }>();
  let last = new Uint32Array();
  const next = (row: number): number[] => {
    const answer = rows.get(row);
    if (!answer) return [end, 0, 0, 0];
    const at = answer.written++;
    const id = at >= answer.length ? end : (words[hash(answer.seed, at) % words.length] as number);
    return [id, 0, 0, at];
  };
  Object.assign(decoder, {
    run: () => {},
    copyRows: () => {},
    setRow(row: number, settings: Uint32Array) {
      // Key and counter of its draws.
      const seed = settings.slice(3, 8).reduce(hash, 0);
      rows.set(row, { seed, length: drawLength(seed), written: 0 });
    },
    sample: (asked: readonly number[]) => Promise.resolve(Uint32Array.from(asked.flatMap(next))),
    decode(asked: readonly number[], steps: number) {
      const lines = padRows(asked.length);
      last = new Uint32Array(steps * lines * STATE_WORDS);
      for (let step = 0; step < steps; step++)
        asked.forEach((row, line) => last.set(next(row), (step * lines + line) * STATE_WORDS));
    },
    sampledInSteps: () => Promise.resolve(last),
  });
}

function drawLength(seed: number): number {
  const [u, v] = [1, 2].map((word) => (hash(seed, -word) + 0.5) / 2 ** 32) as [number, number];
  const normal = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  return Math.round(MEDIAN * Math.exp(DEVIATION * normal));
}

/** 32 bits of two numbers (MurmurHash3's last step). */
function hash(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
