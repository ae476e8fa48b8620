/** Seeds for runtimes that draw by themselves. */
import { drawUint } from '../random';
import type { DrawWords } from './types';

/** 31 bits from the name of the call, so that order and company never shift it: the same call has the same seed. */
export function seedOf(seed: number, draw: DrawWords): number {
  return drawUint({ seed, ...draw }, 0) >>> 1;
}
