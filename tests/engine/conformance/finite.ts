/** Conformance: numbers that leave the finite range stop the operation, and the error says which adapter and where. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DeadTrackError, NonFiniteError } from '../../../src/engine/errors';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type AdapterWeights,
  type Engine,
  type GenerateRequest,
  type OptimiserSettings,
  type TrainExample,
  type TrainStepEvent,
} from '../../../src/engine/types';
import type { Context } from './shared';

const CONFIG = { rank: 4, alpha: 8, targets: [...PROJECTIONS] };
const EXAMPLES: TrainExample[] = Array.from({ length: 8 }, (_, i) => ({
  ids: [1, 2 + i, 7, 9, 4],
  weights: [0, 0, 1, 1, 1],
}));
const PASS = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
];

function ask(adapter: string | null): GenerateRequest {
  const sampling = { temperature: 1, topK: 0, topP: 1, maxTokens: 6, stopIds: [] };
  const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
  return { ids: [1, 2, 3], adapter, sampling, key };
}

/** Trains adapter `wild`, with `calm` beside it where asked for, until the end or an error. */
async function train(
  engine: Engine,
  settings: Partial<OptimiserSettings>,
  batches: number[][],
  examples = EXAMPLES,
): Promise<{ events: TrainStepEvent[]; error: unknown }> {
  const events: TrainStepEvent[] = [];
  const optimiser = { ...DEFAULT_OPTIMISER, ...settings };
  try {
    const tracks = [{ adapter: 'wild', examples, batches }];
    for await (const event of engine.train({ objective: 'sft', tracks, optimiser })) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events, error: null };
}

async function changed(
  engine: Engine,
  change: (name: string, data: Float32Array) => void,
  config = CONFIG,
): Promise<AdapterWeights> {
  await engine.createAdapter('wild', config, 1);
  const weights = await engine.exportAdapter('wild');
  for (const [name, { data }] of weights.tensors) change(name, data);
  await engine.importAdapter('wild', weights);
  return weights;
}

export function finite(context: Context): void {
  // Room for the adapters of these tests.
  const forget = async (): Promise<void> => {
    const { engine } = context();
    const own = engine.adapters().filter((id) => !['adapter', 'adapter2'].includes(id));
    for (const id of own) await engine.deleteAdapter(id);
  };
  beforeEach(forget);
  afterEach(forget);

  it.each([1e4, 1e6, 1e18, 1e38])(
    'stops a training whose numbers overflow, with adapter and step (lr %s)',
    async (lr) => {
      const { engine } = context();
      await engine.createAdapter('wild', CONFIG, 1);
      const { events, error } = await train(engine, { lr }, [...PASS, ...PASS, ...PASS]);
      expect(error).toBeInstanceOf(NonFiniteError);
      expect((error as NonFiniteError).place).toEqual({ adapter: 'wild', step: events.length });
      expect((error as Error).message).toMatch(
        new RegExp(`adapter wild, step ${events.length + 1} of 6: .*learning rate`),
      );
      for (const { tracks } of events) expect(Number.isFinite(tracks[0]?.loss)).toBe(true);
    },
  );

  it.each([1e6, 1e18])('looks at what the last step made as well, which has no step after it (lr %s)', async (lr) => {
    const { engine } = context();
    await engine.createAdapter('wild', CONFIG, 1);
    const { events, error } = await train(engine, { lr }, [[0, 1, 2, 3, 4, 5, 6, 7]]);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as NonFiniteError).place).toEqual({ adapter: 'wild', step: 0 });
    expect(events).toEqual([]);
  });

  it('names the adapter that broke, not those beside it', async () => {
    const { engine } = context();
    const huge = await changed(engine, (_, data) => data.fill(1e30));
    await engine.createAdapter('calm', CONFIG, 2);
    await engine.importAdapter('wild', huge);
    const tracks = ['calm', 'wild'].map((adapter) => ({ adapter, examples: EXAMPLES, batches: PASS }));
    const all = engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER });
    await expect(all.next()).rejects.toMatchObject({ name: 'NonFiniteError', place: { adapter: 'wild', step: 0 } });
    // Not updated: its weights are those before the step.
    expect(await engine.exportAdapter('wild')).toEqual(huge);
    await expect(engine.generate([ask('calm')])).resolves.toHaveLength(1);
  });

  it('lets nothing out that is not finite', async () => {
    const { engine } = context();
    await engine.createAdapter('wild', CONFIG, 1);
    // The rate of the first step becomes infinite in 32 bits.
    await train(engine, { lr: 1e38 }, [[0]]);
    await expect(engine.exportAdapter('wild')).rejects.toThrow(NonFiniteError);
  });

  it('says of an adapter whose gradient is 0 for a whole pass that it is dead', async () => {
    const { engine } = context();
    await changed(engine, (_, data) => data.fill(0));
    const { events, error } = await train(engine, { lr: 1e-3 }, [...PASS, ...PASS]);
    expect(error).toBeInstanceOf(DeadTrackError);
    expect((error as DeadTrackError).place).toEqual({ adapter: 'wild', step: 1 });
    expect((error as Error).message).toMatch(/adapter wild, step 2 of 4: the gradient was exactly 0/);
    expect(events.map(({ tracks }) => tracks[0]?.gradNorm)).toEqual([0]);
  });

  it('trains on: B zero at the start, a rate of 0, a track without batches, large weights that compute', async () => {
    const { engine } = context();
    await engine.createAdapter('wild', CONFIG, 1);
    expect((await train(engine, { lr: 0 }, [...PASS, ...PASS])).error).toBeNull();
    await engine.createAdapter('calm', CONFIG, 1);
    const tracks = [
      { adapter: 'wild', examples: EXAMPLES, batches: PASS },
      { adapter: 'calm', examples: [], batches: [] },
    ];
    for await (const { tracks: seen } of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) {
      expect(seen).toHaveLength(1);
    }
    // The second look at the end finds nothing.
    await changed(engine, (name, data) => data.fill(name.endsWith('lora_A.weight') ? 1e-4 : 2000));
    expect((await train(engine, { lr: 1e-3 }, PASS)).error).toBeNull();
  });

  it.each([1e18, 1e30])('refuses to generate, score and give logits with a huge adapter (%s)', async (size) => {
    const { engine } = context();
    await changed(engine, (_, data) => data.fill(size));
    const where = { name: 'NonFiniteError', place: { adapter: 'wild', row: 1, position: 0 } };
    await expect(engine.generate([ask(null), ask('wild')])).rejects.toMatchObject(where);
    const greedy = { ...ask('wild'), sampling: { ...ask('wild').sampling, temperature: 0, topK: 3, topP: 0.5 } };
    await expect(engine.generate([greedy])).rejects.toThrow(/adapter wild, row 0: .*token 1.*lower learning rate/);
    const rows = [null, 'wild'].map((adapter) => ({ ids: [1, 2, 3, 4], adapter }));
    await expect(engine.score(rows)).rejects.toMatchObject(where);
    await expect(engine.logits({ ids: [1, 2, 3], adapter: 'wild' })).rejects.toThrow(NonFiniteError);
    const track = { adapter: 'wild', examples: EXAMPLES, batches: PASS };
    await expect(engine.gradients(track)).rejects.toThrow(NonFiniteError);
    // The engine goes on.
    await expect(engine.generate([ask(null)])).resolves.toHaveLength(1);
  });
}
