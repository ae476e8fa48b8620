/** What the parts of the conformance suite share. */
import { expect } from 'vitest';
import type { AdapterWeights, Engine, EngineOptions, TrainStepEvent } from '../../../src/engine/types';
import { relativeErrors, type Golden } from '../golden';

/** Bounds of the project: logits against PyTorch and LoRA gradients, both relative. */
export const LOGITS_ERROR = 1e-4;
export const GRADIENT_ERROR = 1e-3;
/**
 * Losses of ten AdamW steps. The path itself amplifies rounding: where a gradient is nearly zero, AdamW's first step still has
 * length lr, in the direction of its sign. Moving qwen3's first adapter by 1e-7 moves its tenth loss by 1e-4.
 */
export const TRAINING_ERROR = 1e-3;
export const FINAL_ADAPTER_ERROR = 5e-3;

/** Small on purpose: more requests than rows, adapters up to the limit. */
export const OPTIONS = { maxRows: 4, maxAdapters: 6, maxRank: 8, maxLength: 64 } satisfies EngineOptions;

/** The engine under test with the fixture's two adapters in it, `adapter` and `adapter2`. */
export type Context = () => { engine: Engine; golden: Golden };

export async function collect(events: AsyncGenerator<TrainStepEvent, void, void>): Promise<TrainStepEvent[]> {
  const all: TrainStepEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

export function expected(golden: Golden, name: string): Float32Array {
  const tensor = golden.tensors.get(name);
  if (tensor === undefined) throw new Error(`golden.safetensors has no ${name}`);
  return tensor.data;
}

export function expectClose(actual: AdapterWeights, wanted: AdapterWeights, bound: number): void {
  expect([...actual.tensors.keys()].sort()).toEqual([...wanted.tensors.keys()].sort());
  for (const [name, { data }] of actual.tensors) {
    expect(relativeErrors(data, wanted.tensors.get(name)!.data).norm, name).toBeLessThan(bound);
  }
}
