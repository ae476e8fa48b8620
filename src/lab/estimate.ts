/** From a device's speed to the time of a run. Apart from the measurement, so that the page loads no engine for it. */
import type { ExperimentConfig } from '../recipes/config';
import { settingOf, type WorkEstimate } from '../recipes/resolve';
import type { KeepAdapters } from '../store/keep';
import type { DeviceSpeed, EngineChoice } from './types';

/** What a measured speed holds for: another model, format of its weights or of keys and values, or engine has another. */
export function speedKey(config: ExperimentConfig, engine: EngineChoice): string {
  return `${config.model} ${String(settingOf(config, 'dtype'))} ${String(settingOf(config, 'cache'))} ${engine}`;
}

/** Seconds that the work takes at this speed. Datasets depend on what the agents say, so it is an estimate. */
export function secondsOf(
  work: WorkEstimate,
  speed: Pick<DeviceSpeed, 'secondsPerGeneratedToken' | 'secondsPerTrainedToken'>,
): number {
  return work.generatedTokens * speed.secondsPerGeneratedToken + work.trainedTokens * speed.secondsPerTrainedToken;
}

/**
 * Bytes of the adapters that a finished run leaves in the store.
 * @param pool bytes of the adapters on the device, as planned: room for 2N + 1 of them, their ranks rounded up to a multiple of 4
 */
export function keptBytes(
  { agents, rounds, iterations, singleAgentBaseline, adapter }: ExperimentConfig,
  pool: number,
  keep: KeepAdapters,
): number {
  if (keep === 'none') return 0;
  const trained = agents + (rounds > 1 ? agents : 0) + (singleAgentBaseline ? 1 : 0);
  const roomPerRank = Math.ceil(adapter.rank / 4) * 4;
  const each = (pool / (2 * agents + 1)) * (adapter.rank / roomPerRank);
  return each * trained * (keep === 'all' ? iterations : 1);
}
