/** Micro-batches for training on long examples: a batch of every adapter at once would not fit many devices. */

interface Sized {
  examples: readonly { ids: ArrayLike<number> }[];
  /** For each step, indices of examples. */
  batches: readonly (readonly number[])[];
}

/**
 * Into how many parts every batch is split (`OptimiserSettings.accumulation`), so that a part of the largest step has about
 * `mostTokens` tokens over all tracks, or a single example of each track.
 */
export function accumulationFor(tracks: readonly Sized[], mostTokens: number): number {
  const steps = Math.max(0, ...tracks.map(({ batches }) => batches.length));
  let most = 0;
  let rows = 1;
  for (let step = 0; step < steps; step++) {
    let tokens = 0;
    for (const { examples, batches } of tracks) {
      const batch = batches[step] ?? [];
      rows = Math.max(rows, batch.length);
      for (const index of batch) tokens += examples[index]?.ids.length ?? 0;
    }
    most = Math.max(most, tokens);
  }
  return Math.min(rows, Math.max(1, Math.ceil(most / mostTokens)));
}
