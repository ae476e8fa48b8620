/** The engine worker: owns the GPU device, the base weights and every adapter. Everything heavy is loaded on `open`. */
import { NoWebGpuError } from '../src/engine/errors';
import { adapterTraits } from '../src/engine/gpu/adapter';
import type { EngineNotice } from '../src/engine/resilient';
import type { FileSource } from '../src/engine/source';
import type { ReadOptions } from '../src/engine/stream';
import type { EngineOptions } from '../src/engine/types';
import { onWork } from '../src/engine/work';
import { createEngineHost, type EngineSetup, type ReadBytes, type MadeEngine } from '../src/lab/engineHost';
import type { EngineSummary } from '../src/lab/types';
import { Heart, serve } from '../src/supervision';

const REFERENCE_DEVICE = 'TypeScript, 32-bit';

async function probe(): Promise<EngineSummary> {
  // As the engine asks for it: of two adapters it would take the same.
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) return { kind: 'reference', device: REFERENCE_DEVICE, software: false, fallbackReason: noWebGpu() };
  const { description, software, arithmetic } = adapterTraits(adapter);
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
  let fallbackReason: string | null = null;
  if (choice !== 'reference') {
    try {
      if (!navigator.gpu) throw new NoWebGpuError(noWebGpu());
      return await makeWebGpu(source, ignore, options, reading, onNotice);
    } catch (error) {
      if (choice === 'webgpu' || !(error instanceof NoWebGpuError)) throw error;
      fallbackReason = error.message;
    }
  }
  return makeReference(source, ignore, options, reading, fallbackReason);
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

async function makeReference(
  source: FileSource,
  ignore: readonly string[],
  options: EngineOptions,
  reading: ReadOptions,
  fallbackReason: string | null,
): Promise<MadeEngine> {
  const [{ openModelStream }, { ReferenceEngine }] = await Promise.all([
    import('../src/engine/stream'),
    import('../src/engine/reference/engine'),
  ]);
  const stream = await openModelStream(source, { ignore });
  const engine = await ReferenceEngine.create(stream, options, reading);
  return { engine, hash: stream.hash as string, fallbackReason };
}

const heart = new Heart();
onWork(() => heart.worked());
serve(createEngineHost(probe, make, heart), heart, self);
