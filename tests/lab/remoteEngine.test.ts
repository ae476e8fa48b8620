/** The engine behind a worker answers as the engine itself does. */
import { expose, type Endpoint } from 'comlink';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fileURLToPath } from 'node:url';
import { RequestError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import {
  DEFAULT_OPTIMISER,
  type AdapterConfig,
  type Engine,
  type GenerateRequest,
  type TrainJob,
} from '../../src/engine/types';
import {
  createEngineHost,
  type EngineHostApi,
  type EngineSetup,
  type LoadProgress,
} from '../../src/lab/host/engineHost';
import { RemoteEngine } from '../../src/lab/host/remoteEngine';
import { lifeline } from '../../src/supervision';
import { loadModel } from '../engine/loadModel';

const folder = fileURLToPath(new URL('../fixtures/golden/llama', import.meta.url));
const setup: EngineSetup = { model: folder, choice: 'reference', options: { maxAdapters: 4 } };
const adapter: AdapterConfig = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'] };

let local: Engine;
let remote: RemoteEngine;
let channel: MessageChannel;
let made = 0;

async function reference(): Promise<Engine> {
  const { weights } = await loadModel(folderSource(folder));
  return ReferenceEngine.create(weights, setup.options);
}

beforeAll(async () => {
  local = await reference();
  const host = createEngineHost(
    async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
    async () => {
      made++;
      return { engine: await reference(), hash: 'abc', fallbackReason: 'no GPU' };
    },
  );
  channel = new MessageChannel();
  expose(host, channel.port2 as unknown as Endpoint);
  remote = await RemoteEngine.open(lifeline<EngineHostApi>(channel.port1).api, setup);
});

afterAll(() => {
  channel.port1.close();
  channel.port2.close();
});

const requests: GenerateRequest[] = [0, 1, 2].map((problem) => ({
  ids: [1, 2, 3 + problem],
  adapter: null,
  sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 12, stopIds: [] },
  key: { seed: 5, stream: 1, iteration: 0, agent: 0, problem, round: 1 },
}));

function job(signal?: AbortSignal): TrainJob {
  const examples = [0, 1, 2, 3].map((i) => ({ ids: [1, 2 + i, 3, 4, 5], weights: [0, 0, 1, 1, 1] }));
  return {
    objective: 'sft',
    tracks: [{ adapter: 'one', examples, batches: Array.from({ length: 6 }, (_, s) => [s % 4, (s + 1) % 4]) }],
    optimiser: { ...DEFAULT_OPTIMISER, lr: 1e-2 },
    signal,
  };
}

describe('the engine host', () => {
  it('tells of the loading: some times a second, with the time left, and of its end', async () => {
    const now = vi.spyOn(performance, 'now');
    const told: LoadProgress[] = [];
    const port = { postMessage: (progress: LoadProgress) => told.push(progress), close() {} };
    const host = createEngineHost(
      async () => ({ kind: 'reference', device: 'test', software: false, fallbackReason: null }),
      async (_setup, onProgress) => {
        // The first byte comes after a while; then 100 a second.
        for (let step = 0; step <= 40; step++) {
          now.mockReturnValue(60_000 + 50 * step);
          onProgress({ doneBytes: 5 * step, totalBytes: 200 });
        }
        return { engine: await reference(), hash: 'abc', fallbackReason: null };
      },
    );
    try {
      await host.open(setup, port as unknown as MessagePort);
    } finally {
      now.mockRestore();
    }
    expect(told.map(({ doneBytes }) => doneBytes)).toEqual(Array.from({ length: 21 }, (_, i) => 10 * i));
    expect(told[3]?.secondsLeft).toBeNull();
    expect(told[10]).toEqual({ doneBytes: 100, totalBytes: 200, secondsLeft: 1 });
    expect(told[20]).toEqual({ doneBytes: 200, totalBytes: 200, secondsLeft: null });
  });
});

describe('RemoteEngine', () => {
  it('describes the engine and is not made twice for one set-up', async () => {
    expect(remote.info).toEqual(local.info);
    expect(remote.modelHash).toBe('abc');
    expect(remote.fallbackReason).toBe('no GPU');
    expect(remote.plan()).toEqual(local.plan());
    expect(made).toBe(1);
  });

  it('generates the same, and passes on the tokens of the watched rows', async () => {
    const seen = requests.map(() => [] as number[]);
    remote.watchRows = 2;
    const results = await remote.generate(requests, { onTokens: (row, ids) => seen[row]!.push(...ids) });
    expect(results).toEqual(await local.generate(requests));
    expect(seen.slice(0, 2)).toEqual(results.slice(0, 2).map((result) => result.ids));
    expect(seen[2]).toEqual([]);
  });

  it('trains the same, step by step', async () => {
    for (const engine of [local, remote]) await engine.createAdapter('one', adapter, 11);
    expect(remote.adapters()).toEqual(['one']);
    const steps = { local: [] as unknown[], remote: [] as unknown[] };
    for await (const step of local.train(job())) steps.local.push(step);
    for await (const step of remote.train(job())) steps.remote.push(step);
    expect(steps.remote).toEqual(steps.local);
    expect(steps.remote).toHaveLength(6);
    expect(await remote.exportAdapter('one')).toEqual(await local.exportAdapter('one'));
    expect(await remote.optimiserState('one')).toEqual(await local.optimiserState('one'));
    expect(await remote.score([{ ids: [1, 2, 3], adapter: 'one' }])).toEqual(
      await local.score([{ ids: [1, 2, 3], adapter: 'one' }]),
    );
  });

  it('can be left in the middle of a training', async () => {
    for (const engine of [local, remote]) {
      await engine.createAdapter('one', adapter, 11);
      for await (const { step } of engine.train(job())) if (step === 2) break;
    }
    expect(await remote.exportAdapter('one')).toEqual(await local.exportAdapter('one'));
  });

  it('is aborted through the signal, and works afterwards', async () => {
    const stop = new AbortController();
    const long = requests.map((request) => ({ ...request, sampling: { ...request.sampling, maxTokens: 20 } }));
    stop.abort();
    await expect(remote.generate(long, { signal: stop.signal })).rejects.toThrow();
    const training = new AbortController();
    const run = async () => {
      for await (const { step } of remote.train(job(training.signal))) if (step === 1) training.abort();
    };
    await run().catch((error: unknown) => expect(error).toBeInstanceOf(Error));
    expect(await remote.generate(requests)).toEqual(await local.generate(requests));
  });

  it('carries errors over with their names', async () => {
    const bad = [{ ...requests[0]!, ids: [] }];
    const expected = await local.generate(bad).catch((error: Error) => error);
    expect(expected).toBeInstanceOf(RequestError);
    const found = await remote.generate(bad).catch((error: Error) => error);
    expect(found).toMatchObject({ name: 'RequestError', message: (expected as Error).message });
  });
});
