/** One device per test file; the driver is chosen in src/engine/gpu/node.ts. */

import { afterAll } from 'vitest';
import { Gpu, type GpuOptions } from '../../src/engine/gpu/device';
import { matrixLayout, type WeightMatrix } from '../../src/engine/gpu/matrix';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { fillRoom, makeRoom, type DeviceWeights } from '../../src/engine/gpu/weights';
import { streamOf } from '../../src/engine/stream';
import type { ModelWeights } from '../../src/engine/types';

/** Opens a device that is destroyed when the file's tests are over (Dawn keeps Node alive otherwise). */
export async function openTestGpu(options: GpuOptions = {}): Promise<Gpu> {
  const gpu = await Gpu.open(await openNodeGpu(), options);
  afterAll(() => gpu.destroy());
  return gpu;
}

/** A frozen f32 matrix [rows, columns]. */
export function f32Matrix(gpu: Gpu, data: Float32Array, rows: number, columns: number): WeightMatrix {
  return { ...matrixLayout('f32', rows, columns), buffer: gpu.upload('w', data), offset: 0 };
}

/** A model on the device, as f32. */
export async function loadWeights(gpu: Gpu, model: ModelWeights): Promise<DeviceWeights> {
  const room = makeRoom(gpu, model.config, 'f32');
  await fillRoom(gpu, room, streamOf(model));
  return room.weights;
}
