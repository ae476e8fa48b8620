/** How far packed tensors are from the file's, in a few numbers. */
import type { TensorError } from '../../src/engine/types';

export interface ErrorSummary {
  /** Relative error, weighted by the tensors' numbers of values. */
  mean: number;
  worst: { name: string; relative: number };
}

/** Null when nothing was packed. */
export function summarise(errors: readonly TensorError[]): ErrorSummary | null {
  const [first] = errors;
  if (first === undefined) return null;
  const count = errors.reduce((sum, { values }) => sum + values, 0);
  const mean = errors.reduce((sum, { values, relative }) => sum + values * relative, 0) / count;
  const worst = errors.reduce((most, error) => (error.relative > most.relative ? error : most), first);
  return { mean, worst: { name: worst.name, relative: worst.relative } };
}

export function describeErrors({ mean, worst }: ErrorSummary): string {
  return `relative error of the weights: mean ${mean.toExponential(3)}, worst ${worst.relative.toExponential(3)} (${worst.name})`;
}
