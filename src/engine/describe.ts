/** An engine in words. */
import type { EngineInfo } from './types';

/**
 * Version of the arithmetic that the exact engine and the reference engine share: which operations are done in which order. Whoever
 * changes a bit of their results changes this number.
 */
export const EXACT_ARITHMETIC = 1;

/**
 * What computes, for logs and people: kind and device, and what is kept or computed in less than f32, because results differ by it
 * ("webgpu: nvidia ampere, products and adapters in f16, keys and values in f16"). The exact engine and the reference engine have the same
 * name: their results are the same, whatever browser, machine or number of threads.
 */
export function describeEngine({ kind, device, arithmetic, cache }: Omit<EngineInfo, 'config'>): string {
  const isExact = kind === 'exact' || kind === 'reference';
  const rounded = [];
  if (arithmetic === 'f16') rounded.push('products and adapters in f16');
  if (cache === 'f16') rounded.push('keys and values in f16');
  return [isExact ? `exact: arithmetic ${EXACT_ARITHMETIC}` : `${kind}: ${device}`, ...rounded].join(', ');
}

/** The same for people: "the exact engine, arithmetic 1". @param name as a log has it */
export function engineInWords(name: string): string {
  return name.replace(/^exact: /, 'the exact engine, ');
}

/** Version of the GPU kernels' and of PyTorch's arithmetic. */
const OTHER_ARITHMETIC = 2;

/** Version of an engine's arithmetic, for logs: a higher one may give other bits for the same calls. */
export function arithmeticOf({ kind }: Pick<EngineInfo, 'kind'>): number {
  return kind === 'exact' || kind === 'reference' ? EXACT_ARITHMETIC : OTHER_ARITHMETIC;
}
