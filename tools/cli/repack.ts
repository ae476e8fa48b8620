/** Packing rows of a matrix and unpacking them again, on the device or on the host. */
import { DeviceError, NoWebGpuError } from '../../src/engine/errors';
import type { WeightDtype } from '../../src/engine/types';
import type { Output } from './output';

/** Rows [n, columns] as a device computes with them, and how many numbers were too large for f16 (`TensorError.saturated`). */
export type Repack = (data: Float32Array, columns: number) => Promise<{ kept: Float32Array; saturated: number }>;

export interface Repacker {
  /** What does it, for people. */
  name: string;
  repack: Repack;
  dispose(): void;
}

/** `auto` is the device where there is one. @throws NoWebGpuError, DeviceError for webgpu */
export async function openRepacker(
  choice: 'auto' | 'webgpu' | 'reference',
  dtype: WeightDtype,
  output: Output,
): Promise<Repacker> {
  if (choice !== 'reference') {
    try {
      return await deviceRepacker(dtype);
    } catch (error) {
      const fallBack = error instanceof NoWebGpuError || error instanceof DeviceError;
      if (choice === 'webgpu' || !fallBack) throw error;
      output.note(`No WebGPU here (${error.message}); using the host's quantiser, which computes the same.`);
    }
  }
  const { quantiseValues } = await import('../../src/engine/reference/quantise');
  return {
    name: 'TypeScript, 32-bit',
    async repack(data, columns) {
      const count = { saturated: 0 };
      return { kept: quantiseValues(data, columns, dtype, count), saturated: count.saturated };
    },
    dispose() {},
  };
}

async function deviceRepacker(dtype: WeightDtype): Promise<Repacker> {
  const [{ openNodeGpu }, { Gpu }, { createMatrix, MatrixPacker, readRows }] = await Promise.all([
    import('../../src/engine/gpu/node'),
    import('../../src/engine/gpu/device'),
    import('../../src/engine/gpu/matrix'),
  ]);
  const gpu = await Gpu.open(await openNodeGpu());
  const packer = new MatrixPacker(gpu);
  const saturated = (): number => packer.errors[0]?.saturated ?? 0;
  return {
    name: gpu.description,
    async repack(data, columns) {
      const rows = data.length / columns;
      const matrix = createMatrix(gpu, 'rows', dtype, rows, columns);
      try {
        const before = saturated();
        await packer.write('rows', matrix, 0, data);
        return { kept: await readRows(gpu, matrix, 0, rows), saturated: saturated() - before };
      } finally {
        gpu.destroyBuffer(matrix.buffer);
      }
    },
    dispose() {
      packer.dispose();
      gpu.destroy();
    },
  };
}
