/** An engine in words. */
import type { EngineInfo } from './types';

/**
 * What computes, for logs and people: kind and device, and what is kept or computed in less than f32, because results differ by it
 * ("webgpu: nvidia ampere, products in f16, keys and values in f16").
 */
export function describeEngine({ kind, device, arithmetic, cache }: Omit<EngineInfo, 'config'>): string {
  const rounded = [];
  if (arithmetic === 'f16') rounded.push('products in f16');
  if (cache === 'f16') rounded.push('keys and values in f16');
  return [`${kind}: ${device}`, ...rounded].join(', ');
}
