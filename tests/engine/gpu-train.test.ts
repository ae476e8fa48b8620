/** The trainer on its own, against PyTorch's numbers and against itself: what the conformance suite does not look at. */

import { beforeAll, describe, expect, it } from 'vitest';
import { RequestError } from '../../src/engine/errors';
import { layOutBatch, measureBatch, microBatch, usedLength } from '../../src/engine/gpu/batch';
import type { Gpu } from '../../src/engine/gpu/device';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { uploadTurns } from '../../src/engine/gpu/forward';
import { AdapterLayout } from '../../src/engine/gpu/layout';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { Trainer } from '../../src/engine/gpu/train';
import type { TrainMemory } from '../../src/engine/plan';
import type { DeviceWeights } from '../../src/engine/gpu/weights';
import { copyAdapterWeights } from '../../src/engine/peft';
import {
  DEFAULT_OPTIMISER,
  type AdapterId,
  type AdapterWeights,
  type HostTensor,
  type TrainJob,
  type TrainStepEvent,
} from '../../src/engine/types';
import { GOLDEN_MODELS, readGolden, relativeErrors, type Golden } from './golden';
import { openTestGpu, loadWeights } from './gpu';

const SLOTS = 4;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

/** A trainer with adapters in slots that the test writes and reads itself. */
class Bench {
  readonly trainer: Trainer;
  private readonly layout: AdapterLayout;
  private readonly pool: GPUBuffer;
  private readonly scale: GPUBuffer;
  private readonly slots = new Map<AdapterId, { slot: number; config: AdapterWeights['config'] }>();

  static async open(golden: Golden, memory?: TrainMemory): Promise<Bench> {
    return new Bench(golden, await loadWeights(gpu, golden.weights), memory);
  }

  private constructor(golden: Golden, weights: DeviceWeights, memory?: TrainMemory) {
    const { config } = golden.weights;
    this.layout = new AdapterLayout(config, 6);
    this.pool = gpu.buffer('pool', SLOTS * this.layout.slotElements * 4);
    this.scale = gpu.buffer('scale', SLOTS * 4);
    this.trainer = new Trainer({
      forward: {
        gpu,
        config,
        weights,
        adapters: { layout: this.layout, dtype: 'f32', weights: this.pool, scale: this.scale },
        turns: uploadTurns(gpu, config, config.maxPositions),
        saturated: gpu.buffer('saturated', 4),
      },
      limits: { vocabSize: config.vocabSize, maxLength: config.maxPositions, adapters: this.slots },
      adapterOf: (id) => this.slots.get(id)!,
      score: () => Promise.reject(new Error('plain finetuning scores nothing')),
      reward: () => Promise.reject(new Error('plain finetuning reads no rewards')),
      enqueue: (operation) => operation(),
      memory,
    });
  }

  put(id: AdapterId, slot: number, { config, tensors }: AdapterWeights): void {
    this.slots.set(id, { slot, config });
    this.trainer.forget(id);
    gpu.write(this.pool, this.layout.pack(config, tensors), slot * this.layout.slotElements * 4);
    gpu.write(this.scale, Float32Array.of(config.alpha / config.rank), slot * 4);
  }

  async slot(slot: number): Promise<Float32Array> {
    const bytes = this.layout.slotElements * 4;
    return new Float32Array(await gpu.read(this.pool, slot * bytes, bytes));
  }

  async tensors(id: AdapterId): Promise<Map<string, HostTensor>> {
    const { slot, config } = this.slots.get(id)!;
    return this.layout.unpack(config, await this.slot(slot));
  }
}

async function run(bench: Bench, job: TrainJob): Promise<TrainStepEvent[]> {
  const events: TrainStepEvent[] = [];
  for await (const event of bench.trainer.train(job)) events.push(event);
  return events;
}

function job(golden: Golden, adapter: AdapterId, changes: Partial<TrainJob['optimiser']> = {}): TrainJob {
  const { optimiser, batches } = golden.training.constant;
  const tracks = [{ adapter, examples: golden.sequences, batches }];
  return { objective: 'sft', tracks, optimiser: { ...DEFAULT_OPTIMISER, ...optimiser, ...changes } };
}

describe('a batch', () => {
  const example = (weights: number[]) => ({ ids: weights.map((_, i) => i + 1), weights });

  it('leaves out what comes after the last weight and pads tracks to tiles', () => {
    const tracks = [
      { slot: 2, rows: [example([9, 0, 1, 0, 0]), example([0, 0, 0])], weightSum: 1 },
      { slot: 0, rows: [example([0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1.5])], weightSum: 2 },
    ];
    expect(tracks.map(({ rows }) => rows.map(usedLength))).toEqual([[2, 0], [10]]);
    const size = measureBatch(tracks, 8);
    expect(size).toEqual({ tokens: 4 + 12 + 4, targets: 3, tiles: 1 + 1 + 2 + 1 + 1 });
    const batch = layOutBatch(tracks, { tokens: 24, targets: 4, tiles: 8 }, 8);
    expect([...batch.tracks]).toEqual([2, 0, 2, 0, 1, 0, 0, 0, 0, 4, 10, 1, 2, 0, 0, 0]);
    expect([...batch.positions]).toEqual([1, 12, 13, 23]);
    const weights = new Float32Array(batch.targets.buffer);
    expect([0, 1, 2, 3].map((n) => batch.targets[2 * n])).toEqual([3, 10, 11, 0]);
    expect([0, 1, 2, 3].map((n) => weights[2 * n + 1])).toEqual([1, 0.25, 0.75, 0]);
    expect([...batch.slot]).toEqual([...Array<number>(4).fill(2), ...Array<number>(20).fill(0)]);
    expect([...batch.pos.subarray(0, 8)]).toEqual([0, 1, 0, 1, 0, 1, 2, 3]);
    batch.row.forEach((row, t) => expect(batch.rowBase[row]).toBe(t - batch.pos[t]));
    const stretches = [
      [0, 0, 2, 0],
      [2, 2, 4, 0],
      [4, 4, 14, 0],
      [12, 4, 14, 0],
      [14, 14, 16, 0],
      [16, 16, 20, 0],
      [20, 20, 24, 0],
      [0, 0, 0, 0],
    ];
    expect([...batch.tiles]).toEqual(stretches.flat());
  });

  it('splits into micro-batches in order', () => {
    expect([0, 1, 2].map((part) => microBatch([1, 2, 3, 4, 5], part, 3))).toEqual([[1], [2, 3], [4, 5]]);
    expect([0, 1].map((part) => microBatch([1], part, 2))).toEqual([[], [1]]);
  });
});

describe.each(GOLDEN_MODELS)('the trainer on %s', (model) => {
  let golden: Golden;
  let bench: Bench;
  beforeAll(async () => {
    golden = await readGolden(model);
    bench = await Bench.open(golden);
  });

  it('computes the gradients of PyTorch, twice the same', async () => {
    bench.put('a', 1, golden.adapter);
    const track = { adapter: 'a', examples: golden.sequences, batches: [golden.batch] };
    const { loss, tensors } = await bench.trainer.gradients(track);
    expect(loss / golden.loss).toBeCloseTo(1, 5);
    for (const [name, { data }] of tensors) {
      const { norm, max } = relativeErrors(data, golden.tensors.get(`grad.${name}`)!.data);
      expect(norm, name).toBeLessThan(1e-3);
      expect(max, name).toBeLessThan(1e-3);
    }
    expect(await bench.trainer.gradients(track)).toEqual({ loss, tensors });
  });

  it('gives tracks of one batch bit for bit what each gets alone, in whatever slot', async () => {
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2, clip: 0.5, weightDecay: 0.01 };
    const a = { adapter: 'a', examples: golden.sequences, batches: [[0, 1], [2], [3, 4]] };
    const b = { adapter: 'b', examples: golden.sequences, batches: [[4, 2, 0], [3]] };
    bench.put('a', 3, golden.adapter);
    bench.put('b', 0, golden.adapter2);
    const together = await run(bench, { objective: 'sft', tracks: [a, b], optimiser });
    const [togetherA, togetherB] = [await bench.slot(3), await bench.slot(0)];
    bench.put('a', 2, golden.adapter);
    bench.put('b', 1, golden.adapter2);
    const aloneB = await run(bench, { objective: 'sft', tracks: [b], optimiser });
    const aloneA = await run(bench, { objective: 'sft', tracks: [a], optimiser });
    expect(await bench.slot(2)).toEqual(togetherA);
    expect(await bench.slot(1)).toEqual(togetherB);
    expect(together.map(({ tracks }) => tracks[0])).toEqual(aloneA.map(({ tracks }) => tracks[0]));
    expect(together.slice(0, 2).map(({ tracks }) => tracks[1])).toEqual(aloneB.map(({ tracks }) => tracks[0]));
  });

  it('leaves the padding of a smaller adapter and other slots as they are', async () => {
    bench.put('small', 1, golden.adapter2);
    bench.put('other', 2, golden.adapter);
    const before = await bench.slot(2);
    await run(bench, job(golden, 'small', { eps: 0 }));
    expect(await bench.slot(2)).toEqual(before);
    const slot = await bench.slot(1);
    const values = [...(await bench.tensors('small')).values()].flatMap(({ data }) => [...data]);
    expect(values.every(Number.isFinite)).toBe(true);
    const nonZero = (numbers: Iterable<number>) => [...numbers].filter((x) => x !== 0).length;
    expect(nonZero(slot)).toBe(nonZero(values));
  });

  it('spends memory or computes layers twice and the head in blocks, to the same bits', async () => {
    // 5 times each sequence: 235 targets, four blocks.
    const batch = Array.from({ length: 25 }, (_, i) => i % 5);
    const whole: TrainJob = {
      objective: 'sft',
      tracks: [{ adapter: 'a', examples: golden.sequences, batches: [batch, [0], batch] }],
      optimiser: { ...DEFAULT_OPTIMISER, lr: 1e-2 },
    };
    bench.put('a', 0, golden.adapter);
    const events = await run(bench, whole);
    const frugal = await Bench.open(golden, { activationBytes: 0, logitsBytes: 0 });
    frugal.put('a', 0, golden.adapter);
    expect(await run(frugal, whole)).toEqual(events);
    expect(await frugal.slot(0)).toEqual(await bench.slot(0));
    expect(frugal.trainer.bytes.activations).toBeLessThan(bench.trainer.bytes.activations);
    frugal.trainer.dispose();
  });

  it('allocates nothing from one step to the next', async () => {
    bench.put('a', 0, golden.adapter);
    const bytes: number[] = [];
    const batches = Array.from({ length: 8 }, (_, s) => [0, 1, 2, 3, 4].slice(0, 1 + (s % 5)));
    const tracks = [{ adapter: 'a', examples: golden.sequences, batches }];
    for await (const event of bench.trainer.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) {
      expect(event.totalSteps).toBe(8);
      bytes.push(gpu.bytesAllocated);
    }
    expect(new Set(bytes).size).toBe(1);
  });

  it('stops between steps, and refuses what does not fit its job', async () => {
    bench.put('a', 0, golden.adapter);
    const whole = job(golden, 'a');
    const abort = new AbortController();
    const seen: number[] = [];
    const stopped = async (): Promise<void> => {
      for await (const { step } of bench.trainer.train({ ...whole, signal: abort.signal })) {
        seen.push(step);
        if (step === 2) abort.abort(new Error('enough'));
      }
    };
    await expect(stopped()).rejects.toThrow('enough');
    expect(seen).toEqual([0, 1, 2]);
    const state = (await bench.trainer.optimiserState('a'))!;
    expect(state.step).toBe(3);
    expect([...state.m.keys()].sort()).toEqual([...golden.adapter.tensors.keys()].sort());

    await expect(run(bench, { ...whole, resume: { step: 3, states: new Map() } })).rejects.toThrow(RequestError);
    const other = { ...state, m: new Map([...state.m].slice(1)) };
    const resume = { step: 3, states: new Map([['a', other]]) };
    await expect(run(bench, { ...whole, resume })).rejects.toThrow('lora_A');
    const replaced = async (): Promise<void> => {
      for await (const { step } of bench.trainer.train(whole)) if (step === 1) bench.put('a', 0, golden.adapter);
    };
    await expect(replaced()).rejects.toThrow('replaced or deleted');
  });
});

describe('the gradients of the engine', () => {
  it.each(GOLDEN_MODELS)('agree with finite differences of its own scores on %s', async (model) => {
    const golden = await readGolden(model);
    const engine = await WebGpuEngine.create(await openNodeGpu(), golden.weights);
    await engine.importAdapter('a', golden.adapter);
    const examples = golden.sequences.slice(0, 3);
    const { tensors } = await engine.gradients({ adapter: 'a', examples, batches: [[0, 1, 2]] });
    const loss = async (): Promise<number> => {
      const scores = await engine.score(examples.map(({ ids }) => ({ ids, adapter: 'a' })));
      let [sum, total] = [0, 0];
      examples.forEach(({ weights }, i) => {
        for (let t = 1; t < weights.length; t++) {
          sum -= weights[t] * scores[i][t - 1];
          total += weights[t];
        }
      });
      return sum / total;
    };
    // Along a tensor's own gradient the loss rises by the gradient's length per unit.
    for (const [name, { data }] of [...tensors].filter((_, i) => i % 4 === 1)) {
      const slope = Math.hypot(...data);
      const step = Math.min(0.05, 5e-3 / slope);
      const at = async (distance: number): Promise<number> => {
        const moved = copyAdapterWeights(golden.adapter);
        const target = moved.tensors.get(name)!.data;
        for (let i = 0; i < data.length; i++) target[i] += (distance / slope) * data[i];
        await engine.importAdapter('a', moved);
        return loss();
      };
      const measured = ((await at(step)) - (await at(-step))) / (2 * step);
      expect(Math.abs(measured / slope - 1), name).toBeLessThan(5e-3);
    }
    await engine.dispose();
  });
});
