/** The work that every engine of the exact bench does: the embedded model, six adapters, generations and training steps. */
import { folderSource } from '../../src/engine/loader-node';
import { initAdapter } from '../../src/engine/peft';
import { openModelStream, type ModelStream } from '../../src/engine/stream';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type AdapterWeights,
  type GenerateRequest,
  type ModelConfig,
  type TrainJob,
} from '../../src/engine/types';

export const MODEL = 'static/models/arithmetic-0.4m';
export const ADAPTERS = 6;
export const RANK = 8;
/** Rows that are decoded together. */
export const ROWS = [1, 8, 24, 96] as const;
export const PROMPT = 12;
export const NEW_TOKENS = 48;
/** Of a training step: rows of each adapter, tokens of each row. */
export const STEP_ROWS = 16;
export const STEP_TOKENS = 64;

export const openModel = (): Promise<ModelStream> => openModelStream(folderSource(MODEL));

export const adapterName = (index: number): string => `a${index}`;

export function adapterWeights(config: ModelConfig, index: number): AdapterWeights {
  return initAdapter(config, { rank: RANK, alpha: 2 * RANK, targets: [...PROJECTIONS] }, index);
}

/** Rows of different prompts; row i has adapter i mod `adapters`, or none. */
export function requests(rows: number, adapters: number, maxTokens = NEW_TOKENS): GenerateRequest[] {
  return Array.from({ length: rows }, (_, agent) => ({
    ids: Array.from({ length: PROMPT }, (_, t) => 3 + ((t + agent) % 20)),
    adapter: adapters === 0 ? null : adapterName(agent % adapters),
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens, stopIds: [] },
    key: { seed: 1, stream: 1, iteration: 0, agent, problem: 0, round: 0 },
  }));
}

/** Ids of each adapter's rows. */
export const stepIds = (): number[][] =>
  Array.from({ length: STEP_ROWS }, (_, i) => Array.from({ length: STEP_TOKENS }, (_, t) => 3 + ((t * 7 + i) % 20)));

/** Optimiser steps on the same rows, every token a target. */
export function trainJob(steps: number): TrainJob {
  const examples = stepIds().map((ids) => ({ ids, weights: ids.map(() => 1) }));
  const batches = Array.from({ length: steps }, () => examples.map((_, i) => i));
  const tracks = Array.from({ length: ADAPTERS }, (_, i) => ({ adapter: adapterName(i), examples, batches }));
  return { objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER };
}
