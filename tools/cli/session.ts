/** Opens what a command works with: the model, an engine that executes it, its tokenizer. */
import { constants, existsSync, statSync, type Stats } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DeviceError, FileError, IrregularFileError, NoWebGpuError } from '../../src/engine/errors';
import { FasterEngine, isSmall } from '../../src/engine/faster';
import { folderSource } from '../../src/engine/loader-node';
import { readRegular } from '../../src/engine/regularFile-node';
import { loadAdapter } from '../../src/engine/peft';
import { watchedEngine } from '../../src/engine/saturation';
import { randomStream, shapeConfig } from '../../src/engine/shapes';
import { openModelStream, readConfig, type ModelStream } from '../../src/engine/stream';
import type { AdapterWeights, Engine, EngineOptions, ModelConfig } from '../../src/engine/types';
import { ignoredKeys, required, text, UsageError, type EngineChoice, type Values } from './args';
import { problem } from './files';
import type { Output } from './output';

/** A model whose weights are not read yet. */
export interface OpenedModel {
  /** For people, and where its tokenizer is: a folder, or the name of a shape. */
  dir: string;
  config: ModelConfig;
  stream: ModelStream;
}

/**
 * Opens a model folder in Hugging Face layout: configuration and headers are checked. Errors: FileError and its kinds.
 * @param option that says where the folder lies: the error for one that is not there names it
 */
export async function openModel(dir: string, ignore: readonly string[] = [], option?: string): Promise<OpenedModel> {
  requireFolder(dir, 'folder', option);
  const stream = await openModelStream(folderSource(dir), { ignore });
  requireIgnored(dir, ignore, stream.config);
  return { dir, config: stream.config, stream };
}

/** The model that --model or --shape names; a shape has random weights. Errors: UsageError, FileError and its kinds */
export async function openModelOrShape(values: Values, fallback?: string): Promise<OpenedModel> {
  const shape = text(values, 'shape');
  if (shape === undefined) {
    return openModel(text(values, 'model') ?? fallback ?? required(values, 'model'), ignoredKeys(values));
  }
  if (ignoredKeys(values).length > 0) throw new UsageError('--ignore-config goes with --model');
  if (values['model'] !== undefined) throw new UsageError('give either --model or --shape');
  const stream = randomStream(shapeConfig(shape));
  return { dir: `${shape} (random weights)`, config: stream.config, stream };
}

/** Configuration of what --model or --shape names, without its weights. Errors: UsageError, FileError, ConfigError */
export async function openConfig(values: Values): Promise<{ name: string; config: ModelConfig }> {
  const shape = text(values, 'shape');
  if (shape === undefined) {
    if (values['model'] === undefined) throw new UsageError('--model or --shape is missing');
    const dir = required(values, 'model');
    requireFolder(dir, 'folder');
    const ignore = ignoredKeys(values);
    const config = await readConfig(folderSource(dir), { ignore });
    requireIgnored(dir, ignore, config);
    return { name: dir, config };
  }
  if (ignoredKeys(values).length > 0) throw new UsageError('--ignore-config goes with --model');
  if (values['model'] !== undefined) throw new UsageError('give either --model or --shape');
  return { name: shape, config: shapeConfig(shape) };
}

/** A key that is not there was mistyped. */
function requireIgnored(dir: string, ignore: readonly string[], { ignored = [] }: ModelConfig): void {
  const missing = ignore.find((key) => !ignored.includes(key));
  if (missing !== undefined) throw new UsageError(`--ignore-config ${missing}: ${dir}/config.json has no such key`);
}

/** sha-256 of the weight files, hex; reads them when nobody did before. */
export async function hashOf({ dir, stream }: OpenedModel): Promise<string> {
  if (stream.hash === null) await stream.read(() => {});
  if (stream.hash === null) throw new FileError(dir, 'there are no weight files to hash');
  return stream.hash;
}

/**
 * The engine the user asked for; `auto` is WebGPU where there is a GPU, the exact engine elsewhere. On a GPU a small model gets the faster
 * of both by a short trial.
 * @param bare without the wrapper that outlives a lost device, which copies adapters to the host after training
 * @throws UsageError, and what reading a model and making an engine throw
 */
export async function openEngine(
  choice: EngineChoice,
  model: OpenedModel,
  options: EngineOptions,
  output: Output,
  bare = false,
): Promise<Engine> {
  const engine = await anyEngine(choice, model, options, output, bare);
  return bare ? engine : watchedEngine(engine, (message) => output.note(message));
}

async function anyEngine(
  { name, workers }: EngineChoice,
  model: OpenedModel,
  options: EngineOptions,
  output: Output,
  bare: boolean,
): Promise<Engine> {
  if (model.config.ignored) output.note(`Ignored in config.json: ${model.config.ignored.join(', ')}.`);
  if (name === 'torch') {
    if (options.dtype !== undefined && options.dtype !== 'f32') {
      throw new UsageError(
        `--engine torch computes in f32 only, not ${options.dtype}; write the weights with dequantize and give that folder`,
      );
    }
    if (options.cache === 'f16')
      throw new UsageError('--engine torch keeps keys and values in f32 only; leave out --cache');
    const { TorchEngine } = await import('./torchEngine');
    return TorchEngine.start(model.dir, model.config);
  }
  if (name === 'webgpu') return openWebGpu(model, options, output, bare);
  if (name === 'auto') {
    const missing = await noGpu();
    if (missing === null) return openOnGpu(model, options, output, bare);
    output.note(`No GPU here (${missing}); using the exact engine (WebAssembly).`);
  }
  if (name !== 'reference') return openExact(model, options, output, workers);
  try {
    const { ReferenceEngine } = await import('../../src/engine/reference/engine');
    return await ReferenceEngine.create(model.stream, options, { onProgress: loading(output) });
  } finally {
    output.clearProgress();
  }
}

/** A large model on WebGPU; a small one on the engine that a trial says is faster. */
async function openOnGpu(model: OpenedModel, options: EngineOptions, output: Output, bare: boolean): Promise<Engine> {
  const webgpu = (): Promise<Engine> => openWebGpu(model, options, output, bare);
  if (!isSmall(model.config, options)) return webgpu();
  const { engine, reason } = await new FasterEngine().open(model.dir, webgpu, () =>
    openExact(model, options, output, null),
  );
  if (reason !== null) output.note(`Using the exact engine (WebAssembly): ${reason}.`);
  return engine;
}

async function openExact(
  model: OpenedModel,
  options: EngineOptions,
  output: Output,
  workers: number | null | undefined,
): Promise<Engine> {
  try {
    const reading = { onProgress: loading(output) };
    const [{ ExactEngine }, { nodeWorkers }] = await Promise.all([
      import('../../src/engine/exact/engine'),
      import('./exactLanes'),
    ]);
    return await ExactEngine.create(model.stream, options, reading, nodeWorkers(workers ?? undefined));
  } finally {
    output.clearProgress();
  }
}

/** Why there is no GPU to compute on; null where there is one. */
async function noGpu(): Promise<string | null> {
  const [{ openNodeGpu }, { adapterTraits }] = await Promise.all([
    import('../../src/engine/gpu/node'),
    import('../../src/engine/gpu/adapter'),
  ]);
  try {
    const gpu = await openNodeGpu();
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) return 'WebGPU offers no adapter';
    const { software, description } = adapterTraits(adapter);
    return software ? `only the software driver ${description}` : null;
  } catch (error) {
    if (error instanceof NoWebGpuError || error instanceof DeviceError) return error.message;
    throw error;
  }
}

async function openWebGpu(model: OpenedModel, options: EngineOptions, output: Output, bare: boolean): Promise<Engine> {
  const [{ openNodeGpu }, { WebGpuEngine }, { ResilientEngine }] = await Promise.all([
    import('../../src/engine/gpu/node'),
    import('../../src/engine/gpu/engine'),
    import('../../src/engine/resilient'),
  ]);
  const gpu = await openNodeGpu();
  const open = (wanted: EngineOptions): Promise<Engine> =>
    WebGpuEngine.create(gpu, model.stream, wanted, { onProgress: loading(output) });
  try {
    if (bare) return await open(options);
    return await ResilientEngine.open(open, options, { onNotice: ({ message }) => output.note(message) });
  } finally {
    output.clearProgress();
  }
}

function loading(output: Output): (done: number, total: number) => void {
  return (done, total) => output.progress(`loading the model: ${Math.floor((100 * done) / total)} %`);
}

/** Reads a PEFT directory. Errors: FileError, SafetensorsError, AdapterError. */
export async function readAdapter(dir: string, config: ModelConfig): Promise<AdapterWeights> {
  requireFolder(dir, 'adapter folder');
  return loadAdapter(folderSource(dir), config);
}

/** All of a file that a person named. @throws FileError, also for what is no regular file */
export function readBytes(path: string): Promise<Uint8Array> {
  return readRegular(path);
}

/** What lies at a path; undefined = nothing, also below a file. @throws FileError */
function found(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw new FileError(path, problem(error));
  }
}

function requireFolder(dir: string, what: string, option?: string): void {
  const there = found(dir);
  if (!there)
    throw new FileError(
      dir,
      `there is no such ${what}${option === undefined ? '' : `; say where it lies with ${option}`}`,
    );
  if (there.isDirectory()) return;
  if (!there.isFile()) throw new IrregularFileError(dir, `is no folder; give the ${what}`);
  throw new FileError(dir, `is a file; give the ${what} that it lies in`);
}

/**
 * Refuses a place where no file can be written, before there is anything to write.
 * @throws FileError
 */
export async function requireWritable(file: string): Promise<void> {
  const folder = dirname(resolve(file));
  const there = found(file);
  if (there?.isDirectory()) throw new FileError(file, 'is a folder; name a file in it');
  if (!found(folder)?.isDirectory()) throw new FileError(file, `cannot be written, there is no folder ${folder}`);
  try {
    await access(there ? file : folder, constants.W_OK);
  } catch (error) {
    throw new FileError(file, `cannot be written (${problem(error)})`);
  }
}

/**
 * Refuses a place where no folder can be made, or no file written in the one that is there. Makes nothing.
 * @throws FileError
 */
export async function requireFolderPlace(dir: string): Promise<void> {
  let place = resolve(dir);
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  if (!statSync(place).isDirectory()) throw new FileError(dir, `cannot be made, ${place} is a file, not a folder`);
  try {
    await access(place, constants.W_OK);
  } catch (error) {
    throw new FileError(dir, `cannot be written (${problem(error)})`);
  }
}
