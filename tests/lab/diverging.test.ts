/** A run whose numbers leave the finite range ends as failed, keeps its last finite adapters, and says the same when resumed. */
import { expose, type Endpoint } from 'comlink';
import { expect, it } from 'vitest';
import { DeadTrackError, NonFiniteError } from '../../src/engine/errors';
import { firstNonFinite } from '../../src/engine/finite';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { folderSource } from '../../src/engine/loader-node';
import { ResilientEngine } from '../../src/engine/resilient';
import { openModelStream } from '../../src/engine/stream';
import { DEFAULT_OPTIMISER, type Engine, type TrainStepEvent } from '../../src/engine/types';
import { createEngineHost } from '../../src/lab/host/engineHost';
import { connectEngineHost } from '../../src/lab/host/engineLink';
import { RemoteEngine } from '../../src/lab/host/remoteEngine';
import { createRun, Runner } from '../../src/lab/run/runner';
import { recipeNamed } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import type { TrainingJob } from '../../src/runtimes/types';
import { MemoryRunStore } from '../../src/store/memory';
import { taskFor } from '../../src/tasks';
import { ScriptedRuntime } from './scripted';

const MODEL = 'tests/fixtures/golden/llama';
const MESSAGE = 'adapter critic-1, step 2 of 9: the loss is NaN';

/** Breaks in the training of an adapter that was trained before, or put back from the store. */
class Diverging extends ScriptedRuntime {
  readonly #trained = new Set<string>();
  override async *train(job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    const { tracks } = job;
    const breaks = tracks.some(({ adapter }) => this.#trained.has(adapter));
    for await (const event of super.train(job)) {
      for (const { adapter } of tracks) this.#trained.add(adapter);
      if (breaks) throw new NonFiniteError(MESSAGE, { adapter: 'critic-1', step: 1 });
      yield event;
    }
  }
  override async importAdapter(...[name, weights]: Parameters<ScriptedRuntime['importAdapter']>): Promise<void> {
    this.#trained.add(name);
    await super.importAdapter(name, weights);
  }
}

it('a run keeps the adapters of its last finite training', async () => {
  const config = resolveConfig('arithmetic-quick', {
    agents: '2',
    trainProblems: '12',
    evaluationProblems: '4',
    iterations: '2',
  });
  const store = new MemoryRunStore();
  const { id } = await createRun(store, config);
  const attempt = (): Promise<unknown> => {
    const runtime = new Diverging();
    const parts = { recipe: recipeNamed(config.recipe), runtime, task: taskFor(config), adapters: runtime, store };
    return new Runner(parts).run(id);
  };
  await expect(attempt()).rejects.toThrow(NonFiniteError);
  const failed = await store.run(id);
  expect(failed).toMatchObject({ status: 'failed', error: MESSAGE });
  const kept = await store.adapters(id);
  expect(kept.length).toBeGreaterThan(0);
  for (const version of kept) {
    const { tensors } = await store.adapter(id, version);
    for (const { data } of tensors.values()) expect(firstNonFinite(data)).toBe(-1);
  }
  const events = await store.events(id);
  await expect(attempt()).rejects.toThrow(MESSAGE);
  expect(await store.run(id)).toMatchObject({ status: 'failed', error: MESSAGE });
  expect((await store.events(id)).slice(0, events.length)).toEqual(events);
});

const reference = async (): Promise<Engine> =>
  ReferenceEngine.create(await openModelStream(folderSource(MODEL)), { maxAdapters: 2, maxRank: 2 });
const adapter = { rank: 2, alpha: 4, targets: ['q_proj' as const, 'down_proj' as const] };
const job = (lr: number) => ({
  objective: 'sft' as const,
  tracks: [{ adapter: 'a', examples: [{ ids: [1, 2, 3], weights: [0, 1, 1] }], batches: [[0], [0], [0]] }],
  optimiser: { ...DEFAULT_OPTIMISER, lr },
});
const all = async (steps: AsyncGenerator<TrainStepEvent, void, void>): Promise<void> => {
  for await (const { tracks } of steps) expect(tracks).toHaveLength(1);
};

it('an engine that outlives its device does not take it for a loss, and goes on', async () => {
  let opened = 0;
  const notices: string[] = [];
  const open = (): Promise<Engine> => (opened++, reference());
  const engine = await ResilientEngine.open(open, {}, { onNotice: ({ message }) => notices.push(message) });
  await engine.createAdapter('a', adapter, 1);
  await expect(all(engine.train(job(1e30)))).rejects.toMatchObject({ name: 'NonFiniteError', place: { adapter: 'a' } });
  await expect(all(engine.train(job(1e38)))).rejects.toThrow(NonFiniteError);
  await engine.createAdapter('a', adapter, 1);
  await all(engine.train(job(1e-3)));
  expect([opened, engine.recoveries, notices]).toEqual([1, 0, []]);
});

it('the errors keep their type and what they say over the port of the engine worker', async () => {
  const host = createEngineHost(
    async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
    async () => ({ engine: await reference(), hash: 'abc', fallbackReason: null }),
  );
  const channel = new MessageChannel();
  expose(host, channel.port2 as unknown as Endpoint);
  const remote = await RemoteEngine.open(connectEngineHost(channel.port1).api, {
    model: MODEL,
    choice: 'reference',
    options: {},
  });
  try {
    await remote.createAdapter('a', adapter, 1);
    await expect(all(remote.train(job(1e30)))).rejects.toSatisfy(
      (error) => error instanceof NonFiniteError && error.place.adapter === 'a' && error.place.step === 1,
    );
    await expect(remote.score([{ ids: [1, 2], adapter: 'a' }])).rejects.toBeInstanceOf(NonFiniteError);
    await remote.createAdapter('a', adapter, 1);
    const zero = await remote.exportAdapter('a');
    for (const { data } of zero.tensors.values()) data.fill(0);
    await remote.importAdapter('a', zero);
    await expect(all(remote.train(job(1e-3)))).rejects.toBeInstanceOf(DeadTrackError);
    await expect(remote.exportAdapter('nobody')).rejects.toThrow(/there is no adapter/);
  } finally {
    channel.port1.close();
    channel.port2.close();
  }
});
