/** Opens what a command works with: the model, an engine that executes it, its tokenizer. */
import type { Engine, EngineOptions } from '../../src/engine/types';
import { FileError } from '../../src/engine/errors';
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { loadModel } from '../../src/engine/loader';
import { folderSource } from '../../src/engine/loader-node';
import { loadAdapter } from '../../src/engine/peft';
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
  return loadAdapter(folderSource(dir), model.config);
}

export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new FileError(path, problem(error));
  }
}

/** What went wrong with a file, in words. */
export function problem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a folder, not a file';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'is a file, not a folder';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
