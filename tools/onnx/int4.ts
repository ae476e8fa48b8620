/** The engine's int4 in the layout of ONNX Runtime's MatMulNBits: the same steps and scales, so the same values. */
import { GROUP } from '../../src/engine/matrixLayout';

/** Weights that share a scale. */
export const BLOCK = GROUP;
/** What stands for 0: MatMulNBits subtracts it from the stored number. */
const ZERO = 8;

export interface Int4Blocks {
  /** A row has so many. */
  blocks: number;
  /** [outputs, blocks, BLOCK / 2]: the even weight of a pair in the low half of a byte. */
  packed: Uint8Array;
  /** [outputs, blocks] */
  scales: Float32Array;
}

/**
 * @param values a matrix [outputs, inputs] that was packed into int4 and unpacked. In each group its largest number is −8 steps, so the step
 *   can be read from it.
 */
export function packInt4(values: Float32Array, outputs: number, inputs: number): Int4Blocks {
  const blocks = Math.ceil(inputs / BLOCK);
  const packed = new Uint8Array((outputs * blocks * BLOCK) / 2).fill(ZERO | (ZERO << 4));
  const scales = new Float32Array(outputs * blocks);
  for (let row = 0; row < outputs; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * inputs + block * BLOCK;
      const group = values.subarray(from, Math.min(from + BLOCK, (row + 1) * inputs));
      const at = row * blocks + block;
      const scale = group.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0) / -8;
      scales[at] = scale;
      if (scale === 0) continue;
      group.forEach((value, i) => {
        const byte = (at * BLOCK) / 2 + (i >> 1);
        const step = Math.round(value / scale) + ZERO;
        packed[byte] =
          i % 2 === 0 ? ((packed[byte] as number) & 0xf0) | step : ((packed[byte] as number) & 0x0f) | (step << 4);
      });
    }
  }
  return { blocks, packed, scales };
}
