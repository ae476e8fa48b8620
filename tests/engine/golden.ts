/** The golden fixtures of tests/fixtures/golden as typed values; their README says what they hold. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { folderSource } from '../../src/engine/loader-node';
import { loadAdapter } from '../../src/engine/peft';
import { readSafetensors } from '../../src/engine/safetensors';
import type { AdapterWeights, HostTensor, ModelWeights, OptimiserSettings, TrainExample } from '../../src/engine/types';
import { loadModel } from './loadModel';

export const GOLDEN_MODELS = ['llama', 'qwen2', 'qwen3'] as const;

export interface GoldenTraining {
  optimiser: Omit<OptimiserSettings, 'accumulation'>;
  batches: number[][];
  steps: { loss: number; gradNorm: number; lr: number; tokens: number }[];
  /** Of the final tensors' names. */
  prefix: string;
}

export interface Golden {
  dir: string;
  weights: ModelWeights;
  adapter: AdapterWeights;
  adapter2: AdapterWeights;
  sequences: TrainExample[];
  batch: number[];
  loss: number;
  gradNorm: number;
  training: Record<'constant' | 'cosine', GoldenTraining>;
  tensors: Map<string, HostTensor>;
}

export function goldenDir(model: string): string {
  return fileURLToPath(new URL(`../fixtures/golden/${model}`, import.meta.url));
}

export async function readGolden(model: string): Promise<Golden> {
  const dir = goldenDir(model);
  const { weights } = await loadModel(folderSource(dir));
  const json = JSON.parse(await readFile(`${dir}/golden.json`, 'utf8')) as {
    sequences: TrainExample[];
    adapter: { batch: number[]; loss: number; gradNorm: number };
    training: Golden['training'];
  };
  const name = `${dir}/golden.safetensors`;
  return {
    dir,
    weights,
    adapter: await loadAdapter(folderSource(`${dir}/adapter`), weights.config),
    adapter2: await loadAdapter(folderSource(`${dir}/adapter2`), weights.config),
    sequences: json.sequences,
    batch: json.adapter.batch,
    loss: json.adapter.loss,
    gradNorm: json.adapter.gradNorm,
    training: json.training,
    tensors: readSafetensors(await readFile(name), name),
  };
}

/** ‖a − b‖ / ‖b‖ and max|a − b| / max|b|, in 64 bits. */
export function relativeErrors(a: ArrayLike<number>, b: ArrayLike<number>): { norm: number; max: number } {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`);
  let difference = 0;
  let size = 0;
  let maxDifference = 0;
  let maxSize = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    // A NaN must not get lost in a maximum.
    if (Number.isNaN(d)) return { norm: NaN, max: NaN };
    difference += d * d;
    size += b[i] * b[i];
    maxDifference = Math.max(maxDifference, d);
    maxSize = Math.max(maxSize, Math.abs(b[i]));
  }
  return { norm: Math.sqrt(difference / size), max: maxDifference / maxSize };
}
