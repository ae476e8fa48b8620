/** Records RMSNorm and its gradient, in the shape that suits the device. */

import type { Gpu } from './device';
import { flatGroups, type Binding, type Program } from './program';

/** `rows` rows of `width` elements. */
export interface NormShape {
  rows: number;
  width: number;
  eps: number;
}

/** y = gain · x / RMS(x); x and y [rows, width], gain [width]. */
export function encodeRmsNorm(
  gpu: Gpu,
  program: Program,
  { rows, width, eps }: NormShape,
  buffers: { x: GPUBuffer; gain: Binding; y: GPUBuffer },
): void {
  const bindings = [buffers.x, buffers.gain, buffers.y];
  // On a CPU driver small workgroups spread few rows over the cores.
  const { lanes, lines } = gpu.isCpu ? { lanes: 1, lines: 8 } : wideShape(width);
  const groups = flatGroups(rows, lines);
  const params = [width, 0, rows, groups[0], { f32: eps }];
  if (gpu.isCpu) program.add('rmsnorm_forward', { LANES: lines }, bindings, params, groups);
  else program.add('rmsnorm_forward_wide', { LANES: lanes, LINES: lines }, bindings, params, groups);
}

/** dX (+)= gradient of `encodeRmsNorm` by x; x, dy and dx [rows, width]. */
export function encodeRmsNormBackward(
  gpu: Gpu,
  program: Program,
  { rows, width, eps }: NormShape,
  buffers: { x: GPUBuffer; gain: Binding; dy: GPUBuffer; dx: GPUBuffer },
  accumulate: boolean,
): void {
  const bindings = [buffers.x, buffers.gain, buffers.dy, buffers.dx];
  const { lanes, lines } = gpu.isCpu ? { lanes: 1, lines: 64 } : wideShape(width);
  const groups = flatGroups(rows, lines);
  const params = [width, accumulate ? 1 : 0, rows, groups[0], { f32: eps }];
  if (gpu.isCpu) program.add('rmsnorm_backward', {}, bindings, params, groups);
  else program.add('rmsnorm_backward_wide', { LANES: lanes, LINES: lines }, bindings, params, groups);
}

/** Invocations that share a row and rows of a workgroup: they depend on the width alone, as does the order of additions. */
export function wideShape(width: number): { lanes: number; lines: number } {
  return width <= 256 ? { lanes: 32, lines: 4 } : { lanes: 128, lines: 1 };
}
