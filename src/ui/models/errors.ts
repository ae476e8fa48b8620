/** The quantiser's errors in two numbers. */
import type { TensorError } from '../../engine/types';

export interface ErrorSummary {
  /** Over tensors, weighted by how many values they have. */
  mean: number;
  worst: TensorError;
}

/** Null when no tensor was packed. */
export function errorSummary(errors: readonly TensorError[]): ErrorSummary | null {
  const [first] = errors;
  if (!first) return null;
  const values = errors.reduce((sum, error) => sum + error.values, 0);
  const mean = errors.reduce((sum, error) => sum + error.relative * error.values, 0) / values;
  return { mean, worst: errors.reduce((worst, error) => (error.relative > worst.relative ? error : worst), first) };
}
