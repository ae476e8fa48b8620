/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in Hugging Face's layout: element i of a head is paired
 * with element i + Dh/2 (`rotate_half`).
 */
import type { ModelConfig } from '../types';
import { cos32, pow64, sin32 } from '../math';

const f = Math.fround;

/** cos and sin of position · frequency: [positions, Dh/2]. */
export interface RopeTable {
  cos: Float32Array;
  sin: Float32Array;
}

/** Frequencies [Dh/2]: theta^(−2i/Dh), for Llama 3 scaled as transformers' `_compute_llama3_parameters` does. */
export function ropeFrequencies(config: ModelConfig): Float32Array {
  const { headDim, ropeTheta, ropeScaling } = config;
  const frequencies = new Float32Array(headDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = f(1 / f(pow64(ropeTheta, f((2 * i) / headDim))));
  }
  if (ropeScaling === null) return frequencies;
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = ropeScaling;
  for (let i = 0; i < frequencies.length; i++) {
    const frequency = frequencies[i];
    const wavelength = f(f(2 * Math.PI) / frequency);
    if (wavelength > originalMaxPositions / lowFreqFactor) {
      frequencies[i] = f(frequency / factor);
    } else if (wavelength >= originalMaxPositions / highFreqFactor) {
      const smooth = f(f(f(originalMaxPositions / wavelength) - lowFreqFactor) / f(highFreqFactor - lowFreqFactor));
      frequencies[i] = f(f(f(1 - smooth) * f(frequency / factor)) + f(smooth * frequency));
    }
  }
  return frequencies;
}

export function ropeTable(config: ModelConfig, positions: number): RopeTable {
  const frequencies = ropeFrequencies(config);
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let t = 0; t < positions; t++) {
    for (let i = 0; i < half; i++) {
      const angle = f(t * frequencies[i]);
      cos[t * half + i] = cos32(angle);
      sin[t * half + i] = sin32(angle);
    }
  }
  return { cos, sin };
}

/**
 * Rotates x[T, heads, Dh] in place by the angles of positions start, start + 1, …
 * @param direction −1 for the gradient, which goes through the transposed rotation, that is, by the opposite angle
 */
export function rotate(
  x: Float32Array,
  { cos, sin }: RopeTable,
  T: number,
  start: number,
  heads: number,
  headDim: number,
  direction: 1 | -1,
): void {
  const half = headDim / 2;
  for (let t = 0; t < T; t++) {
    const angle = (start + t) * half;
    for (let h = 0; h < heads; h++) {
      const at = (t * heads + h) * headDim;
      for (let i = 0; i < half; i++) {
        const c = cos[angle + i];
        const s = f(direction * sin[angle + i]);
        const a = x[at + i];
        const b = x[at + half + i];
        x[at + i] = f(f(a * c) - f(b * s));
        x[at + half + i] = f(f(b * c) + f(a * s));
      }
    }
  }
}
