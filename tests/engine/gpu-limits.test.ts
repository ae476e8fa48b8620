/** Real shapes on devices that have no more than every WebGPU device has: what does not fit is refused at once, in words. */

import { describe, expect, it } from 'vitest';
import { FixedSizeError } from '../../src/engine/errors';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
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
    ['Qwen2.5-0.5B', { dtype: 'f16' }, /embed_tokens\.weight takes 260 MiB as f16, .* 128 MiB at most; choose int4/],
    ['Qwen2.5-0.5B', { dtype: 'int8' }, /embed_tokens\.weight takes 138 MiB as int8, .*choose int4/],
    ['Llama-3.2-1B', { dtype: 'int4' }, /embed_tokens\.weight takes 141 MiB as int4, .*choose a smaller model/],
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

  it.each(['SmolLM2-135M', 'SmolLM2-360M', 'Qwen2.5-0.5B', 'Qwen3-0.6B'])('has room for %s in int4', async (shape) => {
    const options: EngineOptions = { ...OPTIONS, maxAdapters: 6, dtype: 'int4' };
    await expect(WebGpuEngine.create(await smallGpu(), unread(shape), options)).rejects.toThrow('weights were read');
  });
});
