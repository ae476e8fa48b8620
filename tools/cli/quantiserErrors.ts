/** How far packed tensors are from the file's, in a few numbers. */
import type { TensorError, Engine } from '../../src/engine/types';

export interface ErrorSummary {
  /** Relative error, weighted by the tensors' numbers of values. */
  mean: number;
  worst: { name: string; relative: number };
  /** Numbers of all tensors that were too large for f16. */
  saturated: number;
}

/** Null when nothing was packed. */
export function summarise(errors: readonly TensorError[]): ErrorSummary | null {
  const [first] = errors;
  if (first === undefined) return null;
  const count = errors.reduce((sum, { values }) => sum + values, 0);
  const mean = errors.reduce((sum, { values, relative }) => sum + values * relative, 0) / count;
  const worst = errors.reduce((most, error) => (error.relative > most.relative ? error : most), first);
  const saturated = errors.reduce((sum, error) => sum + error.saturated, 0);
  return { mean, saturated, worst: { name: worst.name, relative: worst.relative } };
}

export function describeErrors({ mean, worst, saturated }: ErrorSummary): string {
  const cut = saturated > 0 ? `; ${saturated} numbers too large for f16` : '';
  return `relative error of the weights: mean ${mean.toExponential(3)}, worst ${worst.relative.toExponential(3)} (${worst.name})${cut}`;
}

/**
 * How many weights (or scales of groups) and how many keys and values were too large for their format: fields of a JSON result, absent
 * where none were. For people the engine says it in a note.
 */
export async function saturationIn(
  engine: Pick<Engine, 'report'>,
): Promise<{ saturated?: number; cacheSaturated?: number }> {
  const report = await engine.report?.();
  const saturated = (report?.errors ?? []).reduce((sum, error) => sum + error.saturated, 0);
  const cacheSaturated = report?.cacheSaturated ?? 0;
  return { ...(saturated > 0 && { saturated }), ...(cacheSaturated > 0 && { cacheSaturated }) };
}
