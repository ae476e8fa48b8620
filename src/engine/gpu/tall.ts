/** Products with a matrix whose rows may lie in several buffers, one dispatch a buffer: the head. */

import type { Gpu } from './device';
import { encodeLinear, encodeLinearBackwardInput } from './linear';
import type { TallMatrix } from './matrix';
import type { Program } from './program';

/** Records Y = X · Wᵀ for a matrix in several buffers: the same numbers as in one. */
export function encodeTall(
  gpu: Gpu,
  program: Program,
  { tokens, x, weight, y }: { tokens: number; x: GPUBuffer; weight: TallMatrix; y: GPUBuffer },
): void {
  for (const { matrix, firstRow } of weight.blocks) {
    const within = { step: weight.rows, first: firstRow };
    encodeLinear(gpu, program, { tokens, x, weight: matrix, y, within });
  }
}

/** Records dX = dY · W for such a matrix; of several buffers one is added after the other, in place of splits. */
export function encodeTallBackward(
  gpu: Gpu,
  program: Program,
  {
    weight,
    splits,
    ...job
  }: { tokens: number; dy: GPUBuffer; weight: TallMatrix; dx: GPUBuffer; splits: GPUBuffer | null },
): void {
  const whole = weight.blocks.length === 1;
  weight.blocks.forEach(({ matrix, firstRow }, i) => {
    const within = { step: weight.rows, first: firstRow };
    const accumulate = i > 0;
    const own = { ...job, within, weight: matrix, lora: null, accumulate, splits: whole ? splits : null };
    encodeLinearBackwardInput(gpu, program, own);
  });
}
