/** Small helpers of the lab: what an engine must have room for, and errors as messages. */
import type { EngineOptions } from '../engine/types';
import type { ExperimentConfig } from '../recipes/config';

/** Room for all of a run's adapters, and for whole chunks of a debate in one batch where they are not too many. */
export function engineOptions(config: ExperimentConfig): EngineOptions {
  return {
    maxRows: Math.min(128, config.chunk * config.agents),
    maxAdapters: 2 * config.agents + 1,
    maxRank: config.adapter.rank,
  };
}

/** An error as it is told to the page, which cannot receive classes. */
export function described(error: unknown): { name: string; message: string } {
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}
