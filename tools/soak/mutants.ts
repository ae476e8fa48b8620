/** Mutated tokenizers and templates, as a kind of soak. */
import type { SoakOptions, SoakOutcome } from './result';
import { soakTokenizers } from './tokenizers';

export async function soakMutants({ count, seed, say }: SoakOptions): Promise<SoakOutcome> {
  const onProgress = (done: number): void => {
    if (done % 250 === 0) say(`tokenizers: ${done} of ${count}`);
  };
  const { answered, refused, ended, wrong, slowest, slowestEnded } = await soakTokenizers(count, seed, { onProgress });
  return {
    outcomes: { answered, refused, ended, 'ms of the slowest that was ended': Math.round(slowestEnded) },
    attempts: count,
    lost: wrong.length,
    equal: null,
    memory: null,
    longestMs: Math.round(Math.max(slowest, slowestEnded)),
    faults: wrong,
  };
}
