/** From a device's speed to the time of a run. Apart from the measurement, so that the page loads no engine for it. */
import type { ExperimentConfig } from '../recipes/config';
import { settingOf, type WorkEstimate } from '../recipes/resolve';
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
