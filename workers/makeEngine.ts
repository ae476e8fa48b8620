/** Makes an engine in a worker: WebGPU where there is a GPU, or what was asked for. Everything heavy is loaded when it is called. */
import { NoWebGpuError } from '../src/engine/errors';
import { FasterEngine, isSmall } from '../src/engine/faster';
import { adapterTraits } from '../src/engine/gpu/adapter';
import type { EngineNotice } from '../src/engine/resilient';
import type { FileSource } from '../src/engine/source';
import type { ReadOptions } from '../src/engine/stream';
import type { Engine, EngineOptions } from '../src/engine/types';
import type { EngineSetup, MadeEngine, ReadBytes } from '../src/lab/host/engineHost';

/** WebGPU by its adapter, or why the exact engine is faster here. */
export async function adapter(): Promise<{ gpu: GPUAdapter | null; reason: string | null }> {
  // As the engine asks for it: of two adapters it would take the same.
  const gpu = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null)) ?? null;
  if (!gpu) return { gpu, reason: noWebGpu() };
  const { description, software } = adapterTraits(gpu);
  return { gpu, reason: software ? `WebGPU has no GPU here, only the software driver ${description}` : null };
}

function noWebGpu(): string {
  return navigator.gpu
    ? 'this browser offers WebGPU but no adapter for it'
    : 'this browser does not offer WebGPU (Chrome 113, Edge 113, Safari 26 and Firefox 141 do)';
}

/** One base model on an engine, or two on engines of the same kind. */
export async function make(
  { second, ...setup }: EngineSetup,
  onProgress: (progress: ReadBytes) => void,
  onNotice: (notice: EngineNotice) => void,
): Promise<MadeEngine> {
  const made = await makeOne(setup, onProgress, onNotice);
  if (!second) return made;
  try {
    const { kind } = made.engine.info;
    const choice = kind === 'torch' ? 'auto' : kind;
    const other = await makeOne({ model: second.model, options: second.options, choice }, onProgress, onNotice);
    const { PairedEngine } = await import('../src/engine/paired');
    const engine = new PairedEngine(made.engine, other.engine, new Set(second.adapters));
    return { ...made, engine, secondHash: other.hash };
  } catch (error) {
    await made.engine.dispose();
    throw error;
  }
}

async function makeOne(
  { model, ignore = [], choice, options }: Omit<EngineSetup, 'second'>,
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
    if (choice === 'auto') return await makeFaster(source, ignore, options, reading, onNotice);
    return await makeWebGpu(source, ignore, options, reading, onNotice);
  } catch (error) {
    if (choice === 'webgpu' || !(error instanceof NoWebGpuError)) throw error;
    return makeOnHost('exact', source, ignore, options, reading, error.message);
  }
}

/** Which engine computes small models, as far as it was tried in this session. */
const faster = new FasterEngine();

/** On a GPU: a small model on the engine that a short trial says is faster, every other on WebGPU. */
async function makeFaster(
  source: FileSource,
  ignore: readonly string[],
  options: EngineOptions,
  reading: ReadOptions,
  onNotice: (notice: EngineNotice) => void,
): Promise<MadeEngine> {
  const { readConfig } = await import('../src/engine/stream');
  const webgpu = (): Promise<MadeEngine> => makeWebGpu(source, ignore, options, reading, onNotice);
  if (!isSmall(await readConfig(source, { ignore }), options)) return webgpu();
  let hash = '';
  const opened = (making: Promise<MadeEngine>): Promise<Engine> =>
    making.then((made) => {
      hash = made.hash;
      return made.engine;
    });
  const about = JSON.stringify([source.name, ignore, options.dtype, options.cache]);
  const exact = (): Promise<MadeEngine> => makeOnHost('exact', source, ignore, options, reading, null);
  const { engine, reason } = await faster.open(
    about,
    () => opened(webgpu()),
    () => opened(exact()),
  );
  return { engine, hash, fallbackReason: reason, ...(reason !== null && { measured: true }) };
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
