/** Opens a seat's model in transformers.js: its worker, its tokenizer, the addresses of its files. */
import { FileError } from '../../engine/errors';
import { label, parseJson, type FileSource } from '../../engine/source';
import { modelTitle, storedAddress } from '../../models/address';
import { storeOnnx } from '../../models/seatFiles';
import type { ChunkStore } from '../../models/store';
import { isWebAddress } from '../../recipes/seats';
import { VoiceModelError } from '../../runtimes/errors';
import type { RuntimeFiles } from '../../runtimes/transformers/library';
import { onnxError } from '../../runtimes/transformers/problems';
import { openOnnx } from '../../runtimes/transformers/voice';
import type { OnnxApi, OnnxSetup } from '../../runtimes/transformers/work';
import type { Voice } from '../../runtimes/types';
import { Supervised, type Body } from '../../supervision';
import type { Tokenizer } from './parts';
import type { VoiceRequest } from './voices';

export interface OnnxParts {
  start(): Body;
  /** What a model's name stands for, as `openModel` takes it. */
  address(model: string): string;
  openModel(address: string): Promise<FileSource>;
  loadTokenizer(source: FileSource): Promise<Tokenizer>;
  runtime(device: OnnxSetup['device']): RuntimeFiles;
  /** Where models at web addresses are kept. */
  openStore(): Promise<ChunkStore>;
}

/** A step of a large model on one thread computes without a pause. */
const LIMITS = { silent: 180_000, stalled: 300_000 };

/** @throws VoiceError and its kinds; what opening a stored model throws */
export async function openOnnxVoice(parts: OnnxParts, request: VoiceRequest): Promise<Voice> {
  const { spec, config, signal, onText, onProgress } = request;
  const { device, dtype } = optionsOf(spec.option);
  const model = parts.address(await foundAddress(parts, request));
  const tokenizer = await smallFiles(parts, await parts.openModel(model)).catch((error: unknown) => {
    throw error instanceof FileError ? onnxError(spec.name, { device, dtype }, error) : error;
  });
  const worker = new Supervised<OnnxApi>({
    name: 'worker of transformers.js',
    start: () => parts.start(),
    limits: LIMITS,
    ...(onProgress && { onProgress }),
  });
  const setup = { model, device, dtype, runtime: parts.runtime(device) };
  return openOnnx({
    name: spec.name,
    title: isWebAddress(spec.address) ? modelTitle(model) : modelTitle(spec.address),
    setup,
    tokenizer,
    worker,
    config,
    signal,
    onText,
  });
}

/** Its tokenizer. The library reads config.json too, and names neither file nor line of what is wrong. */
async function smallFiles({ loadTokenizer }: OnnxParts, source: FileSource): Promise<Tokenizer> {
  const tokenizer = await loadTokenizer(source);
  parseJson(await source.read('config.json'), label(source, 'config.json'));
  return tokenizer;
}

/** Of a web address the model is downloaded and checked first. */
async function foundAddress(parts: OnnxParts, { spec, signal, onProgress, onDownload }: VoiceRequest): Promise<string> {
  const { name, address, option } = spec;
  if (!isWebAddress(address)) return address;
  const id = await storeOnnx({ name, address }, optionsOf(option).dtype, {
    store: await parts.openStore(),
    signal,
    onProgress(progress) {
      onProgress?.();
      onDownload?.(name, progress);
    },
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new VoiceModelError(name, error instanceof Error ? error.message : String(error), { cause: error });
  });
  return storedAddress(id);
}

/** DEVICE/FORMAT of a setting; wasm and fp32 where they are left out. */
export function optionsOf(option: string): Pick<OnnxSetup, 'device' | 'dtype'> {
  const [device = '', dtype = ''] = option.split('/');
  return { device: device === 'webgpu' ? 'webgpu' : 'wasm', dtype: dtype === '' ? 'fp32' : dtype };
}

/** ONNX Runtime's files as the site serves them; WebGPU needs the build that switches stacks. @param base the page's address */
export function onnxFiles(base: string, device: OnnxSetup['device']): RuntimeFiles {
  const name = `ort-wasm-simd-threaded${device === 'webgpu' ? '.jspi' : ''}`;
  const address = (ending: string): string => new URL(`runtimes/onnx/${name}.${ending}`, base).href;
  return { mjs: address('mjs'), wasm: address('wasm') };
}
