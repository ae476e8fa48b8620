/** One digest per operation of an engine, over all bits that it returns: two engines agree where the digests do. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type AdapterWeights,
  type Engine,
  type HostTensor,
  type Objective,
  type TrainExample,
  type TrainTrack,
} from '../../src/engine/types';
import { drawUniform } from '../../src/random';

class Digest {
  private readonly hash = sha256.create();

  numbers(values: Iterable<number>): this {
    this.hash.update(new Uint8Array(Float32Array.from(values).buffer));
    return this;
  }

  tensors(tensors: ReadonlyMap<string, HostTensor>): this {
    for (const [name, { data }] of tensors) {
      this.hash.update(utf8ToBytes(name));
      this.numbers(data);
    }
    return this;
  }

  get hex(): string {
    return bytesToHex(this.hash.digest());
  }
}

/** Deterministic sequences of odd and even lengths, from 2 tokens on. */
function sequencesOf(vocabSize: number, maxLength: number): TrainExample[] {
  return [2, 3, 5, 8, 13, 16, 17, 31].map((length, i) => {
    const T = Math.min(length, maxLength);
    const ids = Array.from({ length: T }, (_, t) =>
      Math.floor(drawUniform({ seed: 3, stream: 9, problem: i }, t) * vocabSize),
    );
    const weights = ids.map((_, t) => (t % 4 === 3 ? 0 : i % 3 === 2 ? -0.5 : 1 + t / 8));
    return { ids, weights, desirable: i % 2 === 0 };
  });
}

/** A random adapter in whose B there is something, so that it counts. */
async function fillAdapter(
  engine: Engine,
  id: string,
  rank: number,
  targets: (typeof PROJECTIONS)[number][],
  seed: number,
  head = false,
) {
  await engine.createAdapter(id, { rank, alpha: 2 * rank, targets, ...(head && { head }) }, seed);
  const adapter: AdapterWeights = await engine.exportAdapter(id);
  let problem = 0;
  for (const [name, { data }] of adapter.tensors) {
    if (!name.includes('lora_B')) continue;
    problem += 1;
    for (let i = 0; i < data.length; i++) data[i] = Math.fround(drawUniform({ seed, stream: 8, problem }, i) - 0.5) / 4;
  }
  await engine.importAdapter(id, adapter);
}

/** Digests of every operation, on adapters of odd and even ranks that are created in the engine. */
export async function operationDigests(engine: Engine, maxLength: number): Promise<Record<string, string>> {
  const { vocabSize } = engine.info.config;
  const examples = sequencesOf(vocabSize, maxLength);
  await fillAdapter(engine, 'all', 8, [...PROJECTIONS], 1);
  await fillAdapter(engine, 'odd', 3, ['q_proj', 'v_proj', 'down_proj'], 2);
  await fillAdapter(engine, 'twelve', 12, ['k_proj', 'o_proj', 'gate_proj', 'up_proj'], 3);
  await fillAdapter(engine, 'judge', 5, ['q_proj', 'up_proj'], 4, true);
  const adapters = [null, 'all', 'odd', 'twelve'] as const;
  const digests: Record<string, string> = {};

  const requests = examples.map(({ ids }, i) => ({ ids, adapter: adapters[i % 4] as string | null }));
  const logits = new Digest();
  for (const request of requests) logits.numbers(await engine.logits(request));
  digests['logits'] = logits.hex;
  const scores = new Digest();
  for (const row of await engine.score(requests)) scores.numbers(row);
  digests['score'] = scores.hex;
  const embeddings = new Digest();
  for (const row of await engine.embed(requests)) embeddings.numbers(row);
  digests['embed'] = embeddings.hex;
  const grams = new Digest();
  for (const layer of await engine.grams(requests, ['k_proj', 'o_proj', 'up_proj', 'down_proj']))
    for (const { data } of Object.values(layer)) grams.numbers(data);
  digests['grams'] = grams.hex;

  const generated = new Digest();
  const asked = Array.from({ length: 11 }, (_, i) => ({
    ids: Array.from((examples[i % 8] as TrainExample).ids).slice(0, 1 + (i % 6)),
    adapter: adapters[(i * 3) % 4] as string | null,
    sampling: {
      temperature: 0.5 * (i % 4),
      topK: i % 2 ? 8 : 0,
      topP: i % 5 ? 0.9 : 1,
      maxTokens: 6 + i,
      stopIds: [2],
    },
    key: { seed: 2 ** 40 + 5, stream: 1, iteration: 2, agent: i, problem: 3, round: 1 },
  }));
  for (const { ids, logprobs, margins } of await engine.generate(asked)) {
    generated.numbers(ids).numbers(logprobs).numbers(margins);
  }
  digests['generate'] = generated.hex;
  const rewarded = examples.map(({ ids }) => ({ ids, adapter: 'judge' }));
  digests['reward'] = new Digest().numbers(await engine.reward(rewarded)).hex;
  const mixed = new Digest();
  const mixture = [
    { adapter: 'odd', weight: 1.5 },
    { adapter: null, weight: 1 },
    { adapter: 'all', weight: 0.25 },
  ];
  const ensembles = asked.map((request, i) => (i % 2 ? request : { ...request, adapter: null, mixture }));
  for (const { ids, logprobs, margins } of await engine.generate(ensembles)) {
    mixed.numbers(ids).numbers(logprobs).numbers(margins);
  }
  digests['ensemble'] = mixed.hex;

  const pairs = [
    { chosen: 0, rejected: 1 },
    { chosen: 5, rejected: 4 },
    { chosen: 3, rejected: 7 },
  ];
  const objectives: [string, Objective, Partial<TrainTrack>][] = [
    ['rank', { kind: 'rank', margin: 0.5 }, { batches: [[0, 1], [2]], pairs }],
    ['sft', 'sft', { batches: [[0, 1, 2], [3, 4, 5, 6], [7]] }],
    [
      'dpo',
      { kind: 'dpo', beta: 0.2 },
      {
        batches: [[0, 1], [2]],
        pairs,
      },
    ],
    [
      'kto',
      { kind: 'kto', beta: 0.2, desirable: 1, undesirable: 1.5 },
      {
        batches: [
          [0, 1, 4],
          [3, 6],
        ],
        mismatched: [[2], [5, 7]],
      },
    ],
  ];
  for (const [name, objective, parts] of objectives) {
    const learners = name === 'rank' ? ['judge'] : ['all', 'odd', 'twelve'];
    const tracks = learners.map((adapter) => ({ adapter, examples, ...parts }) as TrainTrack);
    const { loss, tensors } = await engine.gradients(tracks[0] as TrainTrack, objective);
    digests[`gradients ${name}`] = new Digest().numbers([loss]).tensors(tensors).hex;
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-3, schedule: 'cosine' as const, clip: 1, weightDecay: 0.01 };
    const trained = new Digest();
    for await (const { tracks: events } of engine.train({ objective, tracks, optimiser })) {
      for (const event of events) trained.numbers([event.loss, event.gradNorm, event.lr, event.tokens]);
    }
    for (const { adapter } of tracks) {
      trained.tensors((await engine.exportAdapter(adapter)).tensors);
      const state = await engine.optimiserState(adapter);
      if (state) trained.tensors(state.m).tensors(state.v);
    }
    digests[`train ${name}`] = trained.hex;
  }
  return digests;
}
