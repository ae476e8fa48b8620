/** Preferences against what an adapter was when the job began: its own name is the reference. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { DEFAULT_OPTIMISER, type Engine, type ScoreRequest, type TrainJob } from '../../src/engine/types';
import { EngineRuntime } from '../../src/runtimes/engine';
import { smallConfig } from '../recipes/fakeRuntime';

const FOLDER = fileURLToPath(new URL('../../static/models/arithmetic-0.4m', import.meta.url));

it('gives each example the log-probability that it has before the job, so that no reference is left to be trained', async () => {
  const scored: ScoreRequest[] = [];
  const jobs: TrainJob[] = [];
  const engine = {
    info: { config: { maxPositions: 256, eosTokenIds: [2] } },
    score(requests: ScoreRequest[]) {
      scored.push(...requests);
      // Prompts of five tokens: the first four numbers are theirs. Then −1, −2, … for the completion and its end.
      return Promise.resolve(requests.map(({ ids }) => Float32Array.from({ length: ids.length - 1 }, (_, t) => 3 - t)));
    },
    async *train(job: TrainJob) {
      jobs.push(job);
      await Promise.resolve();
      yield { step: 0, totalSteps: 1, tracks: [] };
    },
  } as unknown as Engine;
  const tokenizer = await loadTokenizer(folderSource(FOLDER));
  const runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
  const messages = [{ role: 'user' as const, content: '1+1' }];
  const examples = [
    { messages, completion: '2#2', ids: [6, 19, 6, 2] },
    { messages, completion: '#', ids: [19, 2] },
  ];
  const pairs = [{ chosen: 0, rejected: 1 }];
  const track = { adapter: 'verifier', examples, pairs, batches: [[0]] };
  const job = {
    job: 'prefer/1',
    iteration: 1,
    objective: { kind: 'dpo', beta: 0.2 } as const,
    optimiser: DEFAULT_OPTIMISER,
  };
  for await (const _ of runtime.train({ ...job, tracks: [{ ...track, reference: 'verifier' }] }));
  expect(scored.map(({ adapter, ids }) => [adapter, ids.length])).toEqual([
    ['verifier', 9],
    ['verifier', 7],
  ]);
  const [trained] = jobs[0]?.tracks ?? [];
  expect(trained).not.toHaveProperty('reference');
  expect(trained?.examples.map(({ reference }) => reference)).toEqual([-1 - 2 - 3 - 4, -1 - 2]);
  // Another adapter stays the engine's to score.
  for await (const _ of runtime.train({ ...job, job: 'prefer/2', tracks: [{ ...track, reference: 'refiner' }] }));
  expect(jobs[1]?.tracks[0]?.reference).toBe('refiner');
  expect(scored.length).toBe(2);
});
