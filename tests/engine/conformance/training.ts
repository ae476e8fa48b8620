/** Conformance: training steps against PyTorch, several adapters in one job, continuing, accumulation. */
import { expect, it } from 'vitest';
import { DEFAULT_OPTIMISER, type TrainJob } from '../../../src/engine/types';
import { relativeErrors, type Golden } from '../golden';
import {
  collect,
  expectClose,
  expected,
  FINAL_ADAPTER_ERROR,
  GRADIENT_ERROR,
  LOGITS_ERROR,
  TRAINING_ERROR,
  type Context,
} from './shared';

export function training(context: Context): void {
  const job = (golden: Golden, setting: 'constant' | 'cosine', adapter: string): TrainJob => {
    const { optimiser, batches } = golden.training[setting];
    return {
      objective: 'sft',
      tracks: [{ adapter, examples: golden.sequences, batches }],
      optimiser: { ...DEFAULT_OPTIMISER, ...optimiser },
    };
  };

  it.each(['constant', 'cosine'] as const)('takes ten AdamW steps as PyTorch does (%s)', async (setting) => {
    const { engine, golden } = context();
    const { steps, prefix } = golden.training[setting];
    await engine.importAdapter('trained', golden.adapter);
    const events = await collect(engine.train(job(golden, setting, 'trained')));
    expect(events.map(({ step, totalSteps }) => [step, totalSteps])).toEqual(steps.map((_, s) => [s, steps.length]));
    events.forEach(({ tracks }, s) => {
      expect(tracks).toHaveLength(1);
      expect(tracks[0].adapter).toBe('trained');
      expect(tracks[0].tokens).toBe(steps[s].tokens);
      expect(Math.abs(tracks[0].lr - steps[s].lr)).toBeLessThan(1e-8);
      const bound = s === 0 ? LOGITS_ERROR : TRAINING_ERROR;
      expect(Math.abs(tracks[0].loss / steps[s].loss - 1), `loss of step ${s}`).toBeLessThan(bound);
      const normBound = s === 0 ? GRADIENT_ERROR : FINAL_ADAPTER_ERROR;
      expect(Math.abs(tracks[0].gradNorm / steps[s].gradNorm - 1), `norm of step ${s}`).toBeLessThan(normBound);
    });
    for (const [name, { data }] of (await engine.exportAdapter('trained')).tensors) {
      expect(relativeErrors(data, expected(golden, `${prefix}${name}`)).norm, name).toBeLessThan(FINAL_ADAPTER_ERROR);
    }
  });

  it('trains several adapters in one job as each alone, with different numbers of steps', async () => {
    const { engine, golden } = context();
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2 };
    const tracks = [
      { adapter: 'a', examples: golden.sequences, batches: [[0, 1], [2], [3, 4]] },
      { adapter: 'b', examples: golden.sequences.slice(1), batches: [[3], [0, 1]] },
    ];
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    const together = await collect(engine.train({ objective: 'sft', tracks, optimiser }));
    expect(together.map((event) => event.tracks.map((track) => track.adapter))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a'],
    ]);
    const a = await engine.exportAdapter('a');
    const b = await engine.exportAdapter('b');
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    for (const track of tracks) await collect(engine.train({ objective: 'sft', tracks: [track], optimiser }));
    expectClose(await engine.exportAdapter('a'), a, FINAL_ADAPTER_ERROR);
    expectClose(await engine.exportAdapter('b'), b, FINAL_ADAPTER_ERROR);
  });

  it('continues from a state as if it had not stopped', async () => {
    const { engine, golden } = context();
    const whole = job(golden, 'cosine', 'a');
    await engine.importAdapter('a', golden.adapter);
    await collect(engine.train(whole));
    const undisturbed = await engine.exportAdapter('a');

    await engine.importAdapter('a', golden.adapter);
    let step = 0;
    for await (const event of engine.train(whole)) {
      step = event.step + 1;
      if (step === 4) break;
    }
    const state = await engine.optimiserState('a');
    const checkpoint = await engine.exportAdapter('a');
    expect(state?.step).toBe(4);
    await engine.importAdapter('a', checkpoint);
    expect(await engine.optimiserState('a')).toBeNull();
    const rest = await collect(engine.train({ ...whole, resume: { step, states: new Map([['a', state!]]) } }));
    expect(rest.map((event) => event.step)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(await engine.exportAdapter('a')).toEqual(undisturbed);
  });

  it('accumulates micro-batches to the same result', async () => {
    const { engine, golden } = context();
    const whole = job(golden, 'constant', 'a');
    await engine.importAdapter('a', golden.adapter);
    const plain = await collect(engine.train(whole));
    await engine.importAdapter('a', golden.adapter);
    const split = await collect(engine.train({ ...whole, optimiser: { ...whole.optimiser, accumulation: 2 } }));
    split.forEach((event, s) => {
      expect(Math.abs(event.tracks[0].loss / plain[s].tracks[0].loss - 1)).toBeLessThan(TRAINING_ERROR);
      expect(Math.abs(event.tracks[0].gradNorm / plain[s].tracks[0].gradNorm - 1)).toBeLessThan(FINAL_ADAPTER_ERROR);
    });
  });
}
