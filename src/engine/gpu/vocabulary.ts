/** Records what is done with lines of logits: sampling and log-probabilities, in the shape that suits the device. */

import { sampledInSlices, SAMPLING_SLICES } from '../buffers';
import type { Gpu } from './device';
import type { Program } from './program';

/** Lanes of the kernels for GPUs. */
const LANES = 256;

/** Samples a token for each of `lines` lines; the buffers are described in fragments/sampling.wgsl and fragments/slices.wgsl. */
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
    parts: GPUBuffer;
  },
): void {
  const { logits, rows, settings, state, weights, results, parts } = buffers;
  const bindings = [logits, rows, settings, state, weights, results];
  if (gpu.isCpu) {
    program.add('sample_tokens', { V: vocabulary, LANES: 8 }, bindings, [lines], [lines]);
    return;
  }
  const LINE = vocabulary % 4 === 0 ? 'vector' : 'scalar';
  const params = [vocabulary, LANES / 2, SAMPLING_SLICES];
  const SLICED = sampledInSlices(vocabulary);
  if (SLICED)
    for (const name of ['sample_scan', 'sample_weigh'] as const)
      program.add(name, { LINE }, [...bindings, parts], params, [SAMPLING_SLICES, lines]);
  // Without slices what holds their parts goes unread; any buffer that is only read will do.
  program.add('sample_tokens_wide', { LINE, SLICED }, [...bindings, SLICED ? parts : settings], params, [lines]);
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
