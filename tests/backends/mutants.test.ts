/** A short run of the soak of tokenizers (tools/soak/tokenizers.ts): none hangs, and none fails without a message. */
import { expect, it } from 'vitest';
import { soakTokenizers } from '../../tools/soak/tokenizers';

it('answers, refuses or ends every mutated tokenizer and template', { timeout: 120_000 }, async () => {
  const count = 120;
  const { answered, refused, ended, wrong } = await soakTokenizers(count, 1, {
    limits: { open: 10_000, answer: 1_500 },
  });
  expect(wrong).toEqual([]);
  expect(answered + refused + ended).toBe(count);
  expect(Math.min(answered, refused)).toBeGreaterThan(10);
});
