/** Conformance: rewards and margin ranking against PyTorch, heads in and out, and what is refused. */
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HEAD_TENSOR, parseAdapter, serialiseAdapter } from '../../../src/engine/peft';
import { readSafetensors } from '../../../src/engine/safetensors';
import {
  DEFAULT_OPTIMISER,
  type AdapterWeights,
  type HostTensor,
  type Objective,
  type OptimiserSettings,
  type TrainJob,
  type TrainTrack,
} from '../../../src/engine/types';
import { relativeErrors } from '../golden';
import { collect, FINAL_ADAPTER_ERROR, GRADIENT_ERROR, LOGITS_ERROR, TRAINING_ERROR, type Context } from './shared';

interface Fixture {
  objective: Objective;
  optimiser: Omit<OptimiserSettings, 'accumulation'>;
  track: Omit<TrainTrack, 'adapter'>;
  loss: number;
  steps: { loss: number; gradNorm: number; lr: number; tokens: number }[];
}

/** The fixture of a model, and the adapter `judge` in the engine: `adapter` with the fixture's head. */
function fixtures(context: Context): {
  (): { fixture: Fixture; tensors: Map<string, HostTensor>; judge: AdapterWeights };
  job: (accumulation?: number) => TrainJob;
} {
  let known: ReturnType<ReturnType<typeof fixtures>>;
  beforeAll(async () => {
    const { golden } = context();
    const fixture = JSON.parse(await readFile(`${golden.dir}/ranking.json`, 'utf8')) as Fixture;
    const tensors = readSafetensors(await readFile(`${golden.dir}/ranking.safetensors`), 'ranking.safetensors');
    const { config, tensors: own } = golden.adapter;
    const judge = {
      config: { ...config, head: true },
      tensors: new Map([...own, [HEAD_TENSOR, tensors.get('head')!]]),
    };
    known = { fixture, tensors, judge };
  });
  beforeEach(() => context().engine.importAdapter('judge', known.judge));
  afterEach(() => context().engine.deleteAdapter('judge'));
  const job = (accumulation = 1): TrainJob => {
    const { objective, optimiser, track } = known.fixture;
    return { objective, tracks: [{ ...track, adapter: 'trained' }], optimiser: { ...optimiser, accumulation } };
  };
  return Object.assign(() => known, { job });
}

const expectLoss = (actual: number, wanted: number, bound: number, what: string): void =>
  expect(Math.abs(actual - wanted), what).toBeLessThan(bound * (1 + Math.abs(wanted)));

/** What an engine without gradients and states does as well. */
export function rewards(context: Context): void {
  describe('rewards', () => declareRewards(context));
}

/** What an engine with all operations does. */
export function ranking(context: Context): void {
  rewards(context);
  describe('ranking', () => declareRanking(context));
}

function declareRewards(context: Context): void {
  const known = fixtures(context);

  it('gives the rewards of PyTorch, whatever else is asked', async () => {
    const { engine, golden } = context();
    const requests = golden.sequences.map(({ ids }) => ({ ids, adapter: 'judge' }));
    const found = await engine.reward(requests);
    expect(relativeErrors(found, known().tensors.get('rewards')!.data).max).toBeLessThan(LOGITS_ERROR);
    const [alone] = await engine.reward([requests[2]]);
    expect(alone).toBe(found[2]);
  });

  it('ranks by a margin in ten AdamW steps as PyTorch does', async () => {
    const { engine } = context();
    const { fixture, tensors, judge } = known();
    await engine.importAdapter('trained', judge);
    const events = await collect(engine.train(known.job()));
    expect(events).toHaveLength(fixture.steps.length);
    events.forEach(({ tracks: [track] }, s) => {
      expect(track.tokens, `tokens of step ${s}`).toBe(fixture.steps[s].tokens);
      expectLoss(track.loss, fixture.steps[s].loss, s === 0 ? LOGITS_ERROR : TRAINING_ERROR, `loss of step ${s}`);
    });
    expect(Math.abs(events[0].tracks[0].gradNorm / fixture.steps[0].gradNorm - 1)).toBeLessThan(GRADIENT_ERROR);
    for (const [tensor, { data }] of (await engine.exportAdapter('trained')).tensors)
      expect(relativeErrors(data, tensors.get(`final.${tensor}`)!.data).norm, tensor).toBeLessThan(FINAL_ADAPTER_ERROR);
  });

  it('refuses rewards of the base, of an adapter without a head, and ranking with one', async () => {
    const { engine, golden } = context();
    await expect(engine.reward([{ ids: [1, 2], adapter: null }])).rejects.toThrow(/the base has no head/);
    await expect(engine.reward([{ ids: [1, 2], adapter: 'adapter' }])).rejects.toThrow(/adapter adapter has no head/);
    await engine.importAdapter('trained', golden.adapter);
    await expect(collect(engine.train(known.job()))).rejects.toThrow(/adapter trained has no head/);
    await engine.importAdapter('trained', known().judge);
    const [track] = known.job().tracks;
    for (const [change, message] of [
      [{ objective: { kind: 'rank', margin: -1 } as const }, /margin is -1, not a number of at least 0/],
      [{ tracks: [{ ...track, reference: 'adapter' }] }, /rank has no reference/],
      [{ tracks: [{ ...track, pairs: undefined }] }, /rank needs pairs/],
    ] as [Partial<TrainJob>, RegExp][])
      await expect(collect(engine.train({ ...known.job(), ...change, optimiser: DEFAULT_OPTIMISER }))).rejects.toThrow(
        message,
      );
    expect(await engine.exportAdapter('trained')).toEqual(known().judge);
    await engine.deleteAdapter('trained');
  });
}

function declareRanking(context: Context): void {
  const known = fixtures(context);

  it('computes loss and every gradient of PyTorch, the one of the head too', async () => {
    const { engine } = context();
    const { fixture, tensors, judge } = known();
    const track = { ...fixture.track, adapter: 'judge' };
    const { loss, tensors: gradients } = await engine.gradients(track, fixture.objective);
    expectLoss(loss, fixture.loss, LOGITS_ERROR, 'loss');
    expect([...gradients.keys()].sort()).toEqual([...judge.tensors.keys()].sort());
    for (const [tensor, { data }] of gradients) {
      const { norm, max } = relativeErrors(data, tensors.get(`grad.${tensor}`)!.data);
      expect(norm, tensor).toBeLessThan(GRADIENT_ERROR);
      expect(max, tensor).toBeLessThan(GRADIENT_ERROR);
    }
    expect(await engine.exportAdapter('judge')).toEqual(judge);
  });

  it('continues a ranking from a state, and splits its sequences, with the same result', async () => {
    const { engine } = context();
    const { judge } = known();
    await engine.importAdapter('trained', judge);
    const plain = await collect(engine.train(known.job()));
    const undisturbed = await engine.exportAdapter('trained');
    await engine.importAdapter('trained', judge);
    for await (const { step } of engine.train(known.job())) if (step === 3) break;
    const state = await engine.optimiserState('trained');
    await engine.importAdapter('trained', await engine.exportAdapter('trained'));
    await collect(engine.train({ ...known.job(), resume: { step: 4, states: new Map([['trained', state!]]) } }));
    expect(await engine.exportAdapter('trained')).toEqual(undisturbed);
    await engine.importAdapter('trained', judge);
    const split = await collect(engine.train(known.job(2)));
    split.forEach(({ tracks: [track] }, s) =>
      expectLoss(track.loss, plain[s].tracks[0].loss, TRAINING_ERROR, `step ${s}`),
    );
    await engine.deleteAdapter('trained');
  });

  it('keeps heads apart: rows of two adapters, copies, and a slot that had one before', async () => {
    const { engine, golden } = context();
    const { judge } = known();
    const head = judge.tensors.get(HEAD_TENSOR)!;
    const doubled = { ...head, data: head.data.map((value) => 2 * value) };
    await engine.importAdapter('other', { ...judge, tensors: new Map([...judge.tensors, [HEAD_TENSOR, doubled]]) });
    await engine.copyAdapter('judge', 'copied');
    const { ids } = golden.sequences[0];
    const found = await engine.reward(['judge', 'other', 'copied'].map((adapter) => ({ ids, adapter })));
    expect(Math.abs(found[1] / found[0] - 2)).toBeLessThan(1e-5);
    expect(found[2]).toBe(found[0]);
    await engine.importAdapter('other', golden.adapter);
    expect(await engine.exportAdapter('other')).toEqual(golden.adapter);
    await engine.deleteAdapter('other');
    await engine.deleteAdapter('copied');
  });

  it('creates a head from the seed and takes it through the files of PEFT', async () => {
    const { engine } = context();
    const { config } = engine.info;
    await engine.createAdapter('drawn', { rank: 2, alpha: 4, targets: ['q_proj'], head: true }, 3);
    const drawn = await engine.exportAdapter('drawn');
    const { shape, data } = drawn.tensors.get(HEAD_TENSOR)!;
    expect(shape).toEqual([1, config.hiddenSize]);
    const bound = 1 / Math.sqrt(config.hiddenSize);
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(new Set(data).size).toBeGreaterThan(config.hiddenSize / 2);
    const files = serialiseAdapter(drawn, config);
    const written = JSON.parse(new TextDecoder().decode(files['adapter_config.json'])) as Record<string, unknown>;
    expect(written).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['classifier', 'score'] });
    const read = parseAdapter(files['adapter_config.json'], files['adapter_model.safetensors'], config, 'drawn');
    expect(read.config).toEqual(drawn.config);
    expect(read.tensors.get(HEAD_TENSOR)).toEqual(drawn.tensors.get(HEAD_TENSOR));
    await engine.deleteAdapter('drawn');
  });
}
