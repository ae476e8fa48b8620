/** The engine worker: owns the GPU device, the base weights and every adapter. Everything heavy is loaded on `open`. */
import { NoWebGpuError } from '../src/engine/errors';
import { EXACT_DEVICE } from '../src/engine/exact/device';
import { adapterTraits } from '../src/engine/gpu/adapter';
import type { EngineNotice } from '../src/engine/resilient';
import type { FileSource } from '../src/engine/source';
import type { ReadOptions } from '../src/engine/stream';
import type { Engine, EngineOptions } from '../src/engine/types';
import { onWork } from '../src/engine/work';
import { createEngineHost, type EngineSetup, type ReadBytes, type MadeEngine } from '../src/lab/host/engineHost';
import type { EngineSummary } from '../src/lab/types';
import { Heart, serve } from '../src/supervision';

/** WebGPU by its adapter, or why the exact engine is faster here. */
async function adapter(): Promise<{ gpu: GPUAdapter | null; reason: string | null }> {
  // As the engine asks for it: of two adapters it would take the same.
  const gpu = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null)) ?? null;
  if (!gpu) return { gpu, reason: noWebGpu() };
  const { description, software } = adapterTraits(gpu);
  return { gpu, reason: software ? `WebGPU has no GPU here, only the software driver ${description}` : null };
}

async function probe(): Promise<EngineSummary> {
  const { gpu, reason } = await adapter();
  if (!gpu || reason !== null) {
    return { kind: 'exact', device: EXACT_DEVICE, software: false, fallbackReason: reason };
  }
  const { description, software, arithmetic } = adapterTraits(gpu);
  return { kind: 'webgpu', device: description, software, fallbackReason: null, arithmetic };
}

function noWebGpu(): string {
  return navigator.gpu
    ? 'this browser offers WebGPU but no adapter for it'
    : 'this browser does not offer WebGPU (Chrome 113, Edge 113, Safari 26 and Firefox 141 do)';
}

async function make(
  { model, ignore = [], choice, options }: EngineSetup,
  onProgress: (progress: ReadBytes) => void,
  onNotice: (notice: EngineNotice) => void,
): Promise<MadeEngine> {
  const { openModel } = await import('../src/models/source');
  const source = await openModel(model);
  const reading: ReadOptions = { onProgress: (doneBytes, totalBytes) => onProgress({ doneBytes, totalBytes }) };
  if (choice === 'reference') return makeOnHost('reference', source, ignore, options, reading, null);
  if (choice === 'exact') return makeOnHost('exact', source, ignore, options, reading, null);
  const { reason } = await adapter();
  if (choice === 'auto' && reason !== null) return makeOnHost('exact', source, ignore, options, reading, reason);
  try {
    if (!navigator.gpu) throw new NoWebGpuError(noWebGpu());
    return await makeWebGpu(source, ignore, options, reading, onNotice);
  } catch (error) {
    if (choice === 'webgpu' || !(error instanceof NoWebGpuError)) throw error;
    return makeOnHost('exact', source, ignore, options, reading, error.message);
  }
}

async function makeWebGpu(
  source: FileSource,
  ignore: readonly string[],
  options: EngineOptions,
  reading: ReadOptions,
  onNotice: (notice: EngineNotice) => void,
): Promise<MadeEngine> {
  const [{ openModelStream }, { WebGpuEngine }, { ResilientEngine }] = await Promise.all([
    import('../src/engine/stream'),
    import('../src/engine/gpu/engine'),
    import('../src/engine/resilient'),
  ]);
  const stream = await openModelStream(source, { ignore });
  // Called again when the device is lost: the weights are read once more.
  const open = (wanted: EngineOptions) => WebGpuEngine.create(navigator.gpu, stream, wanted, reading);
  const engine = await ResilientEngine.open(open, options, { onNotice });
  return { engine, hash: stream.hash as string, fallbackReason: null };
}

async function makeOnHost(
  kind: 'exact' | 'reference',
  source: FileSource,
  ignore: readonly string[],
  options: EngineOptions,
  reading: ReadOptions,
  fallbackReason: string | null,
): Promise<MadeEngine> {
  const { openModelStream } = await import('../src/engine/stream');
  const stream = await openModelStream(source, { ignore });
  const open = async (): Promise<Engine> => {
    if (kind === 'reference') {
      const { ReferenceEngine } = await import('../src/engine/reference/engine');
      return ReferenceEngine.create(stream, options, reading);
    }
    const [{ ExactEngine }, { browserWorkers }] = await Promise.all([
      import('../src/engine/exact/engine'),
      import('./exactLanes'),
    ]);
    return ExactEngine.create(stream, options, reading, browserWorkers());
  };
  return { engine: await open(), hash: stream.hash as string, fallbackReason };
}

const heart = new Heart();
onWork(() => heart.worked());
serve(createEngineHost(probe, make, heart), heart, self);
