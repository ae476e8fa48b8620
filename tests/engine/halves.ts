/** f16 on the host, for tests: bits as they lie in a buffer. */
import { quantiseValues } from '../../src/engine/reference/quantise';

/** Numbers rounded as a cache in f16 keeps them, two in a word, the first in its lower half; Infinity and NaN become NaN. An even count of them. */
export function halves(numbers: Float32Array): Uint32Array {
  const kept = quantiseValues(numbers, numbers.length, 'f16');
  const bits = new Uint32Array(kept.buffer);
  const half = (i: number): number => {
    if (!Number.isFinite(numbers[i])) return 0x7e00;
    const word = bits[i] as number;
    const sign = (word >>> 16) & 0x8000;
    // The exponent's bias is 127 there and 15 here; nothing subnormal is kept.
    return kept[i] === 0 ? sign : sign | (((word & 0x7fffffff) - (112 << 23)) >>> 13);
  };
  return Uint32Array.from({ length: numbers.length / 2 }, (_, i) => (half(2 * i) | (half(2 * i + 1) << 16)) >>> 0);
}
