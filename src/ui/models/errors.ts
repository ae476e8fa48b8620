/** The quantiser's errors in two numbers. */
import type { TensorError } from '../../engine/types';

export interface ErrorSummary {
  /** Over tensors, weighted by how many values they have. */
  mean: number;
  worst: TensorError;
  /** Numbers of all tensors that were too large for f16. */
  saturated: number;
}

/** Null when no tensor was packed. */
export function errorSummary(errors: readonly TensorError[]): ErrorSummary | null {
  const [first] = errors;
  if (!first) return null;
  const values = errors.reduce((sum, error) => sum + error.values, 0);
  const mean = errors.reduce((sum, error) => sum + error.relative * error.values, 0) / values;
  const worst = errors.reduce((most, error) => (error.relative > most.relative ? error : most), first);
  return { mean, worst, saturated: errors.reduce((sum, error) => sum + error.saturated, 0) };
}
