/** Opens what a command works with: the model, an engine that executes it, its tokenizer. */
import type { Engine, EngineOptions } from '../../src/engine/types';
import { FileError } from '../../src/engine/errors';
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '../../src/engine/loader';
import { folderSource } from '../../src/engine/loader-node';
import { parseAdapter, serialiseAdapter } from '../../src/engine/peft';
import type { AdapterWeights, ModelWeights } from '../../src/engine/types';
import type { EngineChoice } from './args';
import type { Output } from './output';

export interface OpenedModel {
  dir: string;
  weights: ModelWeights;
  /** sha-256 of the weight files, hex. */
  hash: string;
}

/** Loads a model folder in Hugging Face layout. Errors: FileError and its kinds. */
export async function openModel(dir: string): Promise<OpenedModel> {
  if (!existsSync(dir)) throw new FileError(dir, 'there is no such folder');
  return { dir, ...(await loadModel(folderSource(dir))) };
}

/** The engine the user asked for; `auto` is WebGPU where there is a device, the reference engine elsewhere. */
export async function openEngine(
  choice: EngineChoice,
  model: OpenedModel,
  options: EngineOptions,
  output: Output,
): Promise<Engine> {
  if (choice === 'torch') {
    const { TorchEngine } = await import('./torchEngine');
    return TorchEngine.start(model.dir, model.weights.config);
  }
  if (choice !== 'reference') {
    try {
      const [{ openNodeGpu }, { WebGpuEngine }] = await Promise.all([
        import('../../src/engine/gpu/node'),
        import('../../src/engine/gpu/engine'),
      ]);
      return await WebGpuEngine.create(await openNodeGpu(), model.weights, options);
    } catch (error) {
      if (choice === 'webgpu') throw error;
      output.note(`No WebGPU here (${(error as Error).message}); using the reference engine, which is slower.`);
    }
  }
  const { ReferenceEngine } = await import('../../src/engine/reference/engine');
  return ReferenceEngine.create(model.weights, options);
}

/** Reads a PEFT directory. Errors: FileError, SafetensorsError, AdapterError. */
export async function readAdapter(dir: string, model: ModelWeights): Promise<AdapterWeights> {
  if (!existsSync(dir)) throw new FileError(dir, 'there is no such adapter folder');
  const [config, tensors] = await Promise.all([
    readBytes(join(dir, 'adapter_config.json')),
    readBytes(join(dir, 'adapter_model.safetensors')),
  ]);
  return parseAdapter(config, tensors, model.config, dir);
}

export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new FileError(path, (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error));
  }
}

export { serialiseAdapter };
