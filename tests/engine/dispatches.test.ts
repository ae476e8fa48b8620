/** What is recorded for real models at real sizes, by kernels of both kinds, on a device that only counts: no dispatch may ask for
 * more workgroups than every WebGPU device has, no buffer may have more elements than a u32 counts. */

import { beforeEach, describe, expect, it } from 'vitest';
import { allocatedRank, decoderSizes } from '../../src/engine/buffers';
import { OPERATIONS_PER_SUBMISSION } from '../../src/engine/gpu/commands';
import { kernelCode, type KernelConstants } from '../../src/engine/gpu/compile';
import { Decoder } from '../../src/engine/gpu/decoder';
import type { Gpu } from '../../src/engine/gpu/device';
import type { ForwardParts } from '../../src/engine/gpu/forward';
import type { KernelName } from '../../src/engine/gpu/kernels';
import { AdapterLayout } from '../../src/engine/gpu/layout';
import { TrainDevice } from '../../src/engine/gpu/trainDevice';
import { makeRoom } from '../../src/engine/gpu/weights';
import { shapeConfig } from '../../src/engine/shapes';
import { DEFAULT_OPTIMISER, PROJECTIONS, type TrainExample } from '../../src/engine/types';

const MOST_GROUPS = 65535;
const ALL = new Set(PROJECTIONS);

/** Kernel and workgroups of every dispatch since the test began. */
let dispatches: [kernel: string, groups: number[]][];
let largest: number;
let submissions: number;
beforeEach(() => {
  dispatches = [];
  largest = 0;
  submissions = 0;
});

/** A device that records and computes nothing. */
function countingGpu(isCpu: boolean): Gpu {
  const buffer = (label: string, size: number): object => {
    largest = Math.max(largest, size);
    return { label, size, destroy: () => {} };
  };
  let kernel = '';
  const pass = {
    setPipeline: (name: string) => (kernel = name),
    setBindGroup: () => {},
    dispatchWorkgroups: (...groups: number[]) => dispatches.push([kernel, groups]),
    end: () => {},
  };
  const encoder = {
    beginComputePass: () => pass,
    clearBuffer: () => {},
    copyBufferToBuffer: () => {},
    finish: () => null,
  };
  const device = {
    // More than the default, so that what is too much is seen here and not refused.
    limits: { maxComputeWorkgroupsPerDimension: Infinity },
    queue: { submit: () => submissions++ },
    createCommandEncoder: () => encoder,
    createBindGroup: () => null,
  };
  const gpu = {
    device,
    isCpu,
    arithmetic: isCpu ? 'f32' : 'f16',
    bufferLimit: Infinity,
    bytesAllocated: 0,
    buffer,
    upload: (label: string, data: ArrayBufferView) => buffer(label, data.byteLength),
    uniforms: (label: string, data: Uint32Array) => buffer(label, data.byteLength),
    destroyBuffer: () => {},
    destroyUniforms: () => {},
    write: () => {},
    read: async (_: object, __: number, bytes: number) => new ArrayBuffer(bytes),
    allocate: async (make: () => void) => {
      make();
      return null;
    },
    kernel: (name: KernelName, constants: KernelConstants) => ({
      pipeline: name,
      layout: null,
      storageBindings: kernelCode(name, constants).match(/var<storage/g)?.length,
    }),
  };
  return gpu as unknown as Gpu;
}

function partsOf(gpu: Gpu, shape: string, rank: number): ForwardParts {
  const config = shapeConfig(shape);
  const { weights } = makeRoom(gpu, config, 'int4');
  const layout = new AdapterLayout(config, allocatedRank(rank));
  const adapters = {
    layout,
    weights: gpu.buffer('pool', 13 * layout.slotElements * 4),
    scale: gpu.buffer('scale', 52),
  };
  return { gpu, config, weights, adapters, turns: gpu.buffer('turns', 4), saturated: gpu.buffer('saturated', 4) };
}

function check(kernels: string[]): void {
  for (const [kernel, groups] of dispatches) {
    expect(Math.max(...groups), `${kernel} ${groups.join(' × ')}`).toBeLessThanOrEqual(MOST_GROUPS);
  }
  const used = new Set(dispatches.map(([kernel]) => kernel));
  expect(kernels.filter((kernel) => !used.has(kernel))).toEqual([]);
  expect(largest / 4).toBeLessThan(2 ** 32);
}

const SHAPES = ['SmolLM2-135M', 'Qwen2.5-0.5B', 'Qwen3-0.6B', 'Llama-3.2-1B'];

describe.each([true, false])('software driver: %s', (isCpu) => {
  it.each(SHAPES)('%s answers: 128 rows of 4096 tokens', async (shape) => {
    const parts = partsOf(countingGpu(isCpu), shape, 64);
    const sizes = decoderSizes(parts.config, 128, 4096, isCpu ? 'f32' : 'f16');
    const decoder = new Decoder(parts, sizes, 8);
    const rows = Array.from({ length: 128 }, (_, row) => row);
    decoder.copyRows(rows.slice(0, 64).map((row) => ({ row, to: row + 64, length: 4000 })));
    for (let t = 0; t < sizes.tokens; t++) decoder.batch.add(t, t % 128, t, t % 13);
    decoder.run(ALL);
    // Products alone: no part of them may keep the device busy for long.
    const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, numLayers } = parts.config;
    const weights = hiddenSize * (3 * intermediateSize + 2 * (numHeads + numKvHeads) * headDim) * numLayers;
    expect(submissions).toBeGreaterThanOrEqual((2 * weights * sizes.tokens) / OPERATIONS_PER_SUBMISSION);
    await decoder.sample(rows, rows);
    await decoder.decode(rows, 8, ALL);
    await decoder.score(rows.slice(0, sizes.logitsRows), rows.slice(0, sizes.logitsRows));
    check(isCpu ? ['sample_tokens', 'linear_forward_packed'] : ['sample_tokens_wide', 'linear_forward_tiled_half']);
  });

  it.each(SHAPES)('%s learns: 6 × 4 sequences of 512 tokens, rank 64', async (shape) => {
    const parts = partsOf(countingGpu(isCpu), shape, 64);
    const trainer = await TrainDevice.create(parts);
    const ids = Array.from({ length: 512 }, (_, i) => i);
    const example: TrainExample = { ids, weights: ids.map(() => 1) };
    const tracks = [0, 1, 2, 3, 4, 5].map((slot) => ({
      slot,
      rows: [example, example, example, example],
      weightSum: 1,
    }));
    await trainer.reserve(trainer.measure(tracks), tracks.length);
    trainer.accumulate(tracks, ALL);
    trainer.update(
      tracks.map(({ slot }) => ({ slot, lr: 1e-4, update: 1 })),
      DEFAULT_OPTIMISER,
    );
    check(['adamw', 'cross_entropy', 'attention_backward_stats', 'rope_backward']);
  });
});
