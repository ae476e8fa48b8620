/** What is known of the device before an engine is opened. */
import { NoWebGpuError } from '../../src/engine/errors';
import { adapterTraits } from '../../src/engine/gpu/adapter';
import type { EngineChoice } from './args';

/** How the engine that this choice gives will compute products with packed weights; keys and values go with it by themselves. */
export async function deviceArithmetic({ name }: EngineChoice): Promise<'f32' | 'f16'> {
  if (name !== 'auto' && name !== 'webgpu') return 'f32';
  const { openNodeGpu } = await import('../../src/engine/gpu/node');
  try {
    const gpu = await openNodeGpu();
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    return adapter === null ? 'f32' : adapterTraits(adapter).arithmetic;
  } catch (error) {
    // Opening the engine says so, or does without.
    if (error instanceof NoWebGpuError) return 'f32';
    throw error;
  }
}
