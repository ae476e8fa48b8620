/** One device per test file; the driver is chosen in src/engine/gpu/node.ts. */

import { afterAll } from 'vitest';
import { Gpu } from '../../src/engine/gpu/device';
import { openNodeGpu } from '../../src/engine/gpu/node';

/** Opens a device that is destroyed when the file's tests are over (Dawn keeps Node alive otherwise). */
export async function openTestGpu(): Promise<Gpu> {
  const gpu = await Gpu.open(await openNodeGpu());
  afterAll(() => gpu.destroy());
  return gpu;
}
