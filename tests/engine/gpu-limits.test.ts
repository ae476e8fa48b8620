/** Real shapes on devices that have no more than every WebGPU device has: what does not fit is refused at once, in words. */

import { describe, expect, it } from 'vitest';
import { FixedSizeError } from '../../src/engine/errors';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { engineRoom, tooLargeFor } from '../../src/engine/plan';
import { ResilientEngine } from '../../src/engine/resilient';
import { randomStream, shapeConfig } from '../../src/engine/shapes';
import type { ModelStream } from '../../src/engine/stream';
import type { EngineOptions } from '../../src/engine/types';

/** The test device with WebGPU's default limits. */
async function smallGpu(): Promise<GPU> {
  const real = await openNodeGpu();
  const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
  const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const adapter = await real.requestAdapter(options);
    return (
      adapter &&
      ({
        info: adapter.info,
        features: adapter.features,
        limits,
        requestDevice: adapter.requestDevice.bind(adapter),
      } as unknown as GPUAdapter)
    );
  };
  return { requestAdapter, wgslLanguageFeatures: real.wgslLanguageFeatures } as unknown as GPU;
}

/** The shape's configuration; nothing of it is read. */
function unread(shape: string): ModelStream {
  const read = (): Promise<void> => Promise.reject(new Error('weights were read'));
  return { ...randomStream(shapeConfig(shape)), read };
}

const OPTIONS: EngineOptions = { maxRows: 8, maxAdapters: 7, maxRank: 8, maxLength: 512 };

describe('a device with the smallest buffers', () => {
  const refused: [string, EngineOptions, RegExp][] = [
    ['Qwen2.5-0.5B', { dtype: 'int4', maxRank: 16 }, /7 adapters of rank 16 take 235 MiB, .*maxAdapters.*maxRank/],
  ];
  it.each(refused)('refuses %s with %o once, not with ever fewer rows', async (shape, change, message) => {
    const gpu = await smallGpu();
    const notices: string[] = [];
    let opened = 0;
    const open = (options: EngineOptions): Promise<WebGpuEngine> => {
      opened++;
      return WebGpuEngine.create(gpu, unread(shape), options);
    };
    const asked = ResilientEngine.open(
      open,
      { ...OPTIONS, ...change },
      { onNotice: ({ message: words }) => void notices.push(words) },
    );
    await expect(asked).rejects.toThrow(FixedSizeError);
    await expect(asked).rejects.toThrow(message);
    expect({ opened, notices }).toEqual({ opened: 1, notices: [] });
  });

  it.each([
    ['SmolLM2-135M', 'int4', 6],
    ['SmolLM2-360M', 'int4', 6],
    ['Qwen2.5-0.5B', 'int4', 6],
    ['Qwen2.5-0.5B', 'int8', 6],
    ['Qwen2.5-0.5B', 'f16', 6],
    ['Qwen3-0.6B', 'int4', 6],
    ['Llama-3.2-1B', 'int4', 5],
  ] as const)('has room for %s in %s with %i adapters', async (shape, dtype, maxAdapters) => {
    const options: EngineOptions = { ...OPTIONS, maxAdapters, dtype };
    await expect(WebGpuEngine.create(await smallGpu(), unread(shape), options)).rejects.toThrow('weights were read');
    expect(tooLargeFor(2 ** 27, shapeConfig(shape), engineRoom(shapeConfig(shape), options))).toBeNull();
  });

  it('computes with an embedding in two buffers what it does with one', { timeout: 400_000 }, async () => {
    // Llama-3.2-1B with one layer in place of 16: the embedding takes 141 MiB in int4.
    const config = { ...shapeConfig('Llama-3.2-1B'), numLayers: 1 };
    const options: EngineOptions = {
      dtype: 'int4',
      maxRows: 1,
      maxAdapters: 1,
      maxRank: 4,
      maxLength: 8,
      selfCheck: false,
    };
    const ids = [0, 64_191, 64_192, 128_255, 7];
    const logits: Float32Array[] = [];
    for (const gpu of [await smallGpu(), await openNodeGpu()]) {
      const engine = await WebGpuEngine.create(gpu, randomStream(config), options);
      logits.push(await engine.logits({ ids, adapter: null }));
      await engine.dispose();
    }
    expect(Buffer.compare(Buffer.from(logits[0]!.buffer), Buffer.from(logits[1]!.buffer))).toBe(0);
    expect(new Set(logits[0]!.subarray(0, 100)).size).toBeGreaterThan(90);
  });
});
