/** What is asked of texts that are there. */
import type { AdapterId } from './adapters';

export interface ScoreRequest {
  /** At least two ids. */
  ids: ArrayLike<number>;
  adapter: AdapterId | null;
}
