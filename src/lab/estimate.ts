/** From a device's speed to the time of a run. Apart from the measurement, so that the page loads no engine for it. */
import type { WorkEstimate } from '../recipes/resolve';
import type { DeviceSpeed } from './types';

/** Seconds that the work takes at this speed. Datasets depend on what the agents say, so it is an estimate. */
export function secondsOf(
  work: WorkEstimate,
  speed: Pick<DeviceSpeed, 'secondsPerGeneratedToken' | 'secondsPerTrainedToken'>,
): number {
  return work.generatedTokens * speed.secondsPerGeneratedToken + work.trainedTokens * speed.secondsPerTrainedToken;
}
