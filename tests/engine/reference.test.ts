import { describe, expect, it } from 'vitest';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { folderSource } from '../../src/engine/loader-node';
import { copyAdapterWeights } from '../../src/engine/peft';
import { learningRate } from '../../src/engine/schedule';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { DEFAULT_OPTIMISER, type AdapterWeights, type HostTensor } from '../../src/engine/types';
import { conformance, PARTS } from './conformance';
import { GOLDEN_MODELS, readGolden } from './golden';
import { loadModel } from './loadModel';

conformance('the reference engine', async (dir, options) => {
  const { weights } = await loadModel(folderSource(dir));
  return ReferenceEngine.create(weights, options);
});

conformance(
  'the reference engine with int4 weights',
  async (dir, options) => {
    const { weights } = await loadModel(folderSource(dir));
    return ReferenceEngine.create(weights, { ...options, dtype: 'int4' });
  },
  GOLDEN_MODELS.map((model) => `int4/${model}`),
  [PARTS.objectives, PARTS.ranking],
);

describe.each(GOLDEN_MODELS)('gradients of %s against finite differences', (model) => {
  /** The loss moves along each tensor's own gradient by ‖gradient‖ per unit of length. */
  it('agree along the gradient of every tensor', async () => {
    const golden = await readGolden(model);
    const engine = await ReferenceEngine.create(golden.weights);
    await engine.importAdapter('at', golden.adapter);
    const track = { adapter: 'at', examples: golden.sequences, batches: [golden.batch] };
    const { tensors } = await engine.gradients(track);
    const lossAt = async (name: string, distance: number): Promise<number> => {
      await engine.importAdapter('at', moved(golden.adapter, name, tensors.get(name)!.data, distance));
      return (await engine.gradients(track)).loss;
    };
    for (const [name, { data }] of tensors) {
      const slope = length(data);
      // A loss near 5 is known to about 5e-7: this step makes the difference some thousand times that.
      const step = Math.min(0.05, 2e-3 / slope);
      const measured = ((await lossAt(name, step)) - (await lossAt(name, -step))) / (2 * step);
      expect(Math.abs(measured / slope - 1), name).toBeLessThan(5e-3);
    }
  });
});

describe('the bytes of the reference engine', () => {
  /** They are a promise: the same in every JavaScript engine, and from one version of this program to the next. */
  const EXPECTED = '3d3d8789f9a12fe6f6092f3d46e212b946b4c122aebe88fffb504f8c665dee3a';

  it('have not changed', async () => {
    const hash = sha256.create();
    for (const model of GOLDEN_MODELS) {
      const golden = await readGolden(model);
      const engine = await ReferenceEngine.create(golden.weights, { maxRows: 3 });
      await engine.createAdapter('fresh', { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'up_proj'] }, 11);
      await engine.importAdapter('given', golden.adapter);
      const tracks = ['fresh', 'given'].map((adapter) => ({
        adapter,
        examples: golden.sequences,
        batches: [[0, 1], [2, 3], [4]],
      }));
      const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2, schedule: 'cosine' as const, clip: 1, weightDecay: 0.01 };
      for await (const event of engine.train({ objective: 'sft', tracks, optimiser })) {
        const numbers = event.tracks.flatMap(({ loss, gradNorm }) => [loss, gradNorm]);
        hash.update(new Uint8Array(Float32Array.from(numbers).buffer));
      }
      const requests = Array.from({ length: 9 }, (_, i) => ({
        ids: Array.from(golden.sequences[i % 5].ids).slice(0, 4),
        adapter: [null, 'fresh', 'given'][i % 3],
        sampling: {
          temperature: 0.5 * (i % 4),
          topK: i % 2 ? 8 : 0,
          topP: i % 5 ? 0.9 : 1,
          maxTokens: 12,
          stopIds: [2],
        },
        key: { seed: 2 ** 40 + 5, stream: 1, iteration: 2, agent: i, problem: 3, round: 1 },
      }));
      for (const { ids, logprobs, margins } of await engine.generate(requests)) {
        hash.update(new Uint8Array(Float32Array.from([...ids, ...logprobs, ...margins]).buffer));
      }
      for (const adapter of engine.adapters())
        hash.update(Buffer.from(hashOfTensors(await engine.exportAdapter(adapter))));
    }
    expect(bytesToHex(hash.digest())).toBe(EXPECTED);
  });
});

/** sha-256 (hex) over names and values alone, as the pinned digest was made: it must not move with the log's format. */
function hashOfTensors({ tensors }: AdapterWeights): string {
  const hash = sha256.create();
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name) as HostTensor;
    hash.update(utf8ToBytes(`${name}\0`));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return bytesToHex(hash.digest());
}

describe('one operation after the other', () => {
  it('queues calls made at once and lets a checkpoint be taken between two steps', async () => {
    const golden = await readGolden('qwen2');
    const engine = await ReferenceEngine.create(golden.weights);
    const { ids } = golden.sequences[0];
    const [, logits] = await Promise.all([
      engine.importAdapter('a', golden.adapter),
      engine.logits({ ids, adapter: 'a' }),
      engine.copyAdapter('a', 'b'),
    ]);
    expect(await engine.logits({ ids, adapter: 'b' })).toEqual(logits);
    const track = { adapter: 'a', examples: golden.sequences, batches: [[0], [1]] };
    const seen: (number | undefined)[] = [];
    for await (const event of engine.train({ objective: 'sft', tracks: [track], optimiser: DEFAULT_OPTIMISER })) {
      seen.push(event.step, (await engine.optimiserState('a'))?.step);
    }
    expect(seen).toEqual([0, 1, 1, 2]);
    expect(engine.plan().total).toBeGreaterThan(engine.plan().weights);
  });

  it('stops training at an aborted signal with every adapter at the same step', async () => {
    const golden = await readGolden('qwen2');
    const engine = await ReferenceEngine.create(golden.weights);
    await engine.importAdapter('a', golden.adapter);
    const controller = new AbortController();
    const track = { adapter: 'a', examples: golden.sequences, batches: [[0], [1], [2]] };
    const run = async (): Promise<void> => {
      const job = {
        objective: 'sft' as const,
        tracks: [track],
        optimiser: DEFAULT_OPTIMISER,
        signal: controller.signal,
      };
      for await (const event of engine.train(job)) {
        if (event.step === 1) controller.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect((await engine.optimiserState('a'))?.step).toBe(2);
  });
});

describe('learning rate', () => {
  const settings = { ...DEFAULT_OPTIMISER, lr: 2, warmupSteps: 4 };
  it('warms up from zero, then decays to zero at the end of the track', () => {
    const rates = (schedule: 'constant' | 'linear' | 'cosine', steps: number[]): number[] =>
      steps.map((step) => learningRate({ ...settings, schedule }, step, 12));
    expect(rates('constant', [0, 1, 3, 4, 11])).toEqual([0, 0.5, 1.5, 2, 2]);
    expect(rates('linear', [0, 4, 8, 11])).toEqual([0, 2, 1, 0.25]);
    rates('cosine', [0, 4, 8, 11]).forEach((rate, i) => {
      expect(rate).toBeCloseTo([0, 2, 1, 1 + Math.cos((Math.PI * 7) / 8)][i], 12);
    });
  });
});

function length(data: Float32Array): number {
  return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
}

/** The adapter with one tensor moved by `distance` along `direction`. */
function moved(adapter: AdapterWeights, name: string, direction: Float32Array, distance: number): AdapterWeights {
  const copy = copyAdapterWeights(adapter);
  const { data } = copy.tensors.get(name)!;
  const unit = distance / length(direction);
  for (let i = 0; i < data.length; i++) data[i] += unit * direction[i];
  return copy;
}
