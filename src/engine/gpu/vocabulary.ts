/** Records what is done with lines of logits: sampling and log-probabilities, in the shape that suits the device. */

import type { Gpu } from './device';
import type { Program } from './program';

/** Samples a token for each of `lines` lines; the buffers are described in sample_tokens.wgsl. */
export function encodeSample(
  gpu: Gpu,
  program: Program,
  { vocabulary, lines }: { vocabulary: number; lines: number },
  buffers: {
    logits: GPUBuffer;
    rows: GPUBuffer;
    settings: GPUBuffer;
    state: GPUBuffer;
    weights: GPUBuffer;
    results: GPUBuffer;
  },
): void {
  const { logits, rows, settings, state, weights, results } = buffers;
  const bindings = [logits, rows, settings, state, weights, results];
  if (gpu.isCpu) program.add('sample_tokens', { V: vocabulary, LANES: 8 }, bindings, [lines], [lines]);
  else program.add('sample_tokens_wide', {}, bindings, [vocabulary, 128], [lines]);
}

/** Puts mixtures in the place of their parts' logits; see mix_rows.wgsl. */
export function encodeMix(
  gpu: Gpu,
  program: Program,
  { vocabulary, lines }: { vocabulary: number; lines: number },
  buffers: { logits: GPUBuffer; rows: GPUBuffer; settings: GPUBuffer },
): void {
  const constants = { V: vocabulary, LANES: gpu.isCpu ? 8 : 256, STRIDED: !gpu.isCpu };
  program.add('mix_rows', constants, [buffers.logits, buffers.rows, buffers.settings], [lines], [lines]);
}

/** logprobs [lines] of targets [lines] under logits [lines, vocabulary]. */
export function encodeScore(
  gpu: Gpu,
  program: Program,
  { vocabulary, lines }: { vocabulary: number; lines: number },
  buffers: { logits: GPUBuffer; targets: GPUBuffer; logprobs: GPUBuffer },
): void {
  const constants = { V: vocabulary, LANES: gpu.isCpu ? 8 : 256, STRIDED: !gpu.isCpu };
  program.add('score_tokens', constants, [buffers.logits, buffers.targets, buffers.logprobs], [0], [lines]);
}
