/** Conformance: signed weights, DPO, KTO and embeddings against PyTorch, and what is refused. */
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, it } from 'vitest';
import { readSafetensors } from '../../../src/engine/safetensors';
import {
  DEFAULT_OPTIMISER,
  type HostTensor,
  type Objective,
  type OptimiserSettings,
  type TrainJob,
  type TrainTrack,
} from '../../../src/engine/types';
import { relativeErrors } from '../golden';
import { collect, FINAL_ADAPTER_ERROR, GRADIENT_ERROR, LOGITS_ERROR, TRAINING_ERROR, type Context } from './shared';

const NAMES = ['signed', 'dpo', 'dpo_adapter', 'kto', 'kto_mismatched'] as const;

interface Fixture {
  objective: Objective;
  optimiser: Omit<OptimiserSettings, 'accumulation'>;
  /** Folder of the adapter that is the reference; null = the base. */
  reference: string | null;
  track: Omit<TrainTrack, 'adapter' | 'reference'>;
  /** Of the first batch. */
  loss: number;
  steps: { loss: number; gradNorm: number; lr: number; tokens: number }[];
}

export function objectives(context: Context): void {
  let fixtures: Record<(typeof NAMES)[number], Fixture>;
  let tensors: Map<string, HostTensor>;
  beforeAll(async () => {
    const { dir } = context().golden;
    fixtures = JSON.parse(await readFile(`${dir}/objectives.json`, 'utf8')) as typeof fixtures;
    tensors = readSafetensors(await readFile(`${dir}/objectives.safetensors`), 'objectives.safetensors');
  });

  const trackOf = (name: (typeof NAMES)[number], adapter: string): TrainTrack => {
    const { track, reference } = fixtures[name];
    return { ...track, adapter, reference };
  };
  const job = (name: (typeof NAMES)[number], accumulation = 1): TrainJob => {
    const { objective, optimiser } = fixtures[name];
    return { objective, tracks: [trackOf(name, 'trained')], optimiser: { ...optimiser, accumulation } };
  };
  /** Losses may be near zero where signs cancel. */
  const expectLoss = (actual: number, wanted: number, bound: number, what: string): void =>
    expect(Math.abs(actual - wanted), what).toBeLessThan(bound * (1 + Math.abs(wanted)));

  it.each(NAMES)('computes loss and every LoRA gradient of PyTorch (%s)', async (name) => {
    const { engine, golden } = context();
    const { objective, loss: wanted } = fixtures[name];
    const { loss, tensors: gradients } = await engine.gradients(trackOf(name, 'adapter'), objective);
    expectLoss(loss, wanted, LOGITS_ERROR, 'loss');
    expect([...gradients.keys()].sort()).toEqual([...golden.adapter.tensors.keys()].sort());
    for (const [tensor, { data }] of gradients) {
      const { norm, max } = relativeErrors(data, tensors.get(`${name}.grad.${tensor}`)!.data);
      expect(norm, tensor).toBeLessThan(GRADIENT_ERROR);
      expect(max, tensor).toBeLessThan(GRADIENT_ERROR);
    }
    expect(await engine.exportAdapter('adapter')).toEqual(golden.adapter);
  });

  it.each(NAMES)('takes ten AdamW steps as PyTorch does (%s)', async (name) => {
    const { engine, golden } = context();
    const { steps } = fixtures[name];
    await engine.importAdapter('trained', golden.adapter);
    const events = await collect(engine.train(job(name)));
    expect(events).toHaveLength(steps.length);
    events.forEach(({ tracks: [track] }, s) => {
      expect(track.tokens, `tokens of step ${s}`).toBe(steps[s].tokens);
      expectLoss(track.loss, steps[s].loss, s === 0 ? LOGITS_ERROR : TRAINING_ERROR, `loss of step ${s}`);
    });
    expect(Math.abs(events[0].tracks[0].gradNorm / steps[0].gradNorm - 1)).toBeLessThan(GRADIENT_ERROR);
    for (const [tensor, { data }] of (await engine.exportAdapter('trained')).tensors) {
      const { norm } = relativeErrors(data, tensors.get(`${name}.final.${tensor}`)!.data);
      expect(norm, tensor).toBeLessThan(FINAL_ADAPTER_ERROR);
    }
  });

  it('embeds rows of different adapters and lengths as PyTorch does', async () => {
    const { engine, golden } = context();
    const requests = [null, 'adapter'].flatMap((adapter) => golden.sequences.map(({ ids }) => ({ ids, adapter })));
    const embeddings = await engine.embed(requests);
    embeddings.forEach((embedding, row) => {
      const index = row % golden.sequences.length;
      const infix = row < golden.sequences.length ? '' : '.adapter';
      const { norm } = relativeErrors(embedding, tensors.get(`embedding${infix}.${index}`)!.data);
      expect(norm, `row ${row}`).toBeLessThan(LOGITS_ERROR);
    });
    const [alone] = await engine.embed([requests[7]]);
    expect(alone).toEqual(embeddings[7]);
    await expect(engine.embed([{ ids: [], adapter: null }])).rejects.toThrow(/sequence 1 has 0 tokens/);
  });

  it('takes given reference values for those of the reference adapter', async () => {
    const { engine, golden } = context();
    const { objective } = fixtures.dpo_adapter;
    const track = trackOf('dpo_adapter', 'adapter');
    const scores = await engine.score(track.examples.map(({ ids }) => ({ ids, adapter: 'adapter2' })));
    const examples = track.examples.map((example, index) => ({
      ...example,
      reference: Array.from(scores[index]).reduce((sum, value, t) => sum + example.weights[t + 1] * value, 0),
    }));
    const scored = await engine.gradients(track, objective);
    const given = await engine.gradients({ ...track, examples, reference: null }, objective);
    expectLoss(given.loss, scored.loss, LOGITS_ERROR, 'loss');
    expect(await engine.exportAdapter('adapter')).toEqual(golden.adapter);
  });

  it('continues a preference job from a state as if it had not stopped', async () => {
    const { engine, golden } = context();
    await engine.importAdapter('trained', golden.adapter);
    await collect(engine.train(job('dpo')));
    const undisturbed = await engine.exportAdapter('trained');
    await engine.importAdapter('trained', golden.adapter);
    for await (const { step } of engine.train(job('dpo'))) if (step === 3) break;
    const state = await engine.optimiserState('trained');
    await engine.importAdapter('trained', await engine.exportAdapter('trained'));
    await collect(engine.train({ ...job('dpo'), resume: { step: 4, states: new Map([['trained', state!]]) } }));
    expect(await engine.exportAdapter('trained')).toEqual(undisturbed);
  });

  it('splits the sequences of a preference step into micro-batches with the same result', async () => {
    const { engine, golden } = context();
    await engine.importAdapter('trained', golden.adapter);
    const plain = await collect(engine.train(job('dpo')));
    await engine.importAdapter('trained', golden.adapter);
    const split = await collect(engine.train(job('dpo', 3)));
    split.forEach(({ tracks: [track] }, s) =>
      expectLoss(track.loss, plain[s].tracks[0].loss, TRAINING_ERROR, `step ${s}`),
    );
  });

  const refused: [what: string, change: (track: TrainTrack) => Partial<TrainJob>, message: RegExp][] = [
    ['an unknown objective', () => ({ objective: { kind: 'ipo' } as never }), /ipo.*not known/],
    ['a beta of 0', () => ({ objective: { kind: 'dpo', beta: 0 } }), /beta is 0/],
    ['an unknown setting', () => ({ objective: { kind: 'dpo', beta: 1, margin: 2 } as never }), /margin is not known/],
    ['pairs under sft', () => ({ objective: 'sft' }), /pairs belong to the objectives dpo/],
    [
      'a pair that names no example',
      (t) => ({ tracks: [{ ...t, pairs: [{ chosen: 0, rejected: 9 }] }] }),
      /example 10/,
    ],
    [
      'a pair of one example',
      (t) => ({ tracks: [{ ...t, pairs: [{ chosen: 1, rejected: 1 }] }] }),
      /chosen and as rej/,
    ],
    ['a batch that names no pair', (t) => ({ tracks: [{ ...t, batches: [[17]] }] }), /pair 18/],
    ['its own reference', (t) => ({ tracks: [{ ...t, reference: t.adapter }] }), /own reference/],
    ['a missing reference', (t) => ({ tracks: [{ ...t, reference: 'nobody' }] }), /no adapter nobody/],
  ];
  it.each(refused)('refuses %s', async (_, change, message) => {
    const { engine, golden } = context();
    await engine.importAdapter('trained', golden.adapter);
    const plain = job('dpo');
    const changed = { ...plain, ...change(plain.tracks[0]), optimiser: DEFAULT_OPTIMISER };
    await expect(collect(engine.train(changed))).rejects.toThrow(message);
    expect(await engine.exportAdapter('trained')).toEqual(golden.adapter);
  });
}
