/** Decoders run where texts are shown, so what they make is bounded. */
import { expect, it } from 'vitest';
import { decoder } from '../../src/backends/tokenizer/decoders';
import { FileError } from '../../src/engine/errors';

const PLACE = { file: 'tokenizer.json', path: 'decoder' };

it('replacements after each other multiply, and are refused before they fill the memory', () => {
  const part = { type: 'Replace', pattern: { String: 'x' }, content: 'x'.repeat(16) };
  const sequence = (parts: number) => decoder({ type: 'Sequence', decoders: Array(parts).fill(part) }, PLACE);
  expect(sequence(2)(['x'])[0]).toHaveLength(256);
  const bomb = sequence(8);
  expect(() => bomb(['x', 'x'])).toThrow(FileError);
  expect(() => bomb(['x', 'x'])).toThrow(
    /^tokenizer\.json: decoder\.decoders\.\d: makes more than 4000000 characters of a response/,
  );
});

it('tokens of any length and runs of any length are decoded', () => {
  const long = 300_000;
  expect(decoder({ type: 'ByteLevel' }, PLACE)(['a'.repeat(long)])[0]).toHaveLength(long);
  expect(decoder({ type: 'ByteFallback' }, PLACE)(Array<string>(long).fill('<0xFF>'))).toHaveLength(long);
});
