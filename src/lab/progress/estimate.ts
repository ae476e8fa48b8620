/** From a device's speed to the time of a run. Apart from the measurement, so that the page loads no engine for it. */
import type { RunConfig } from '../../recipes/config';
import { settingOf } from '../../recipes/resolve';
import { needOf, type WorkEstimate } from '../../recipes/work';
import type { KeepAdapters } from '../../store/keep';
import { engineFor } from '../setup/engineOptions';
import type { DeviceSpeed, EngineChoice } from '../types';

/** What a measured speed holds for: another model, format of its weights or of keys and values, or engine has another. */
export function speedKey(config: RunConfig, engine: EngineChoice): string {
  const formats = `${String(settingOf(config, 'dtype'))} ${String(settingOf(config, 'cache'))}`;
  return `${config.model} ${formats} ${engineFor(config, engine)}`;
}

/**
 * What reading a text costs for its Gram matrices, in times of training on it: no gradients are computed, and the matrices take most of the
 * time that this saves (measured on the embedded models, exact engine).
 */
export const READING_COST = 0.9;

/** Seconds that the engine's work takes at this speed. Datasets depend on what the agents say, so it is an estimate. */
export function secondsOf(
  work: Pick<WorkEstimate, 'generatedTokens' | 'trainedTokens' | 'readTokens'>,
  speed: Pick<DeviceSpeed, 'secondsPerGeneratedToken' | 'secondsPerTrainedToken'>,
): number {
  const trained = work.trainedTokens + READING_COST * work.readTokens;
  return work.generatedTokens * speed.secondsPerGeneratedToken + trained * speed.secondsPerTrainedToken;
}

/**
 * Bytes of the adapters that a finished run leaves in the store.
 * @param pool bytes of the adapters on the device, as planned: room for all that are held, their ranks rounded up to a multiple of 4
 */
export function keptBytes(config: RunConfig, pool: number, keep: KeepAdapters): number {
  if (keep === 'none') return 0;
  const { adapters, rank, tracks } = needOf(config);
  const roomPerRank = Math.ceil(rank / 4) * 4;
  const each = (pool / adapters) * (rank / roomPerRank);
  return each * (tracks.solve + tracks.revise) * (keep === 'all' ? config.iterations : 1);
}
