/** Gram matrices of what layers read, one sequence at a time: collected while the layers run, and added up outside. */
import { gramInputs } from '../grams';
import type { Gram, Grams, LayerInput, ModelConfig, Projection } from '../types';
import type { Arithmetic } from './arithmetic';
import type { LayerActivations } from './layer';

/** Where a layer's activations hold an input [T, width]. */
function rowsOf(activations: LayerActivations, input: LayerInput): Float32Array {
  switch (input) {
    case 'attention':
      return activations.attentionIn;
    case 'heads':
      return activations.attentionOut;
    case 'mlp':
      return activations.mlpIn;
    case 'gated':
      return activations.act;
  }
}

/** Σ x xᵀ of a layer's inputs over T rows, from position 0 on, into `out` from `at` on. @returns where the next layer begins */
export function gramsOfLayer(
  arithmetic: Arithmetic,
  activations: LayerActivations,
  T: number,
  inputs: readonly { input: LayerInput; width: number }[],
  out: Float32Array,
  at: number,
): number {
  let next = at;
  for (const { input, width } of inputs) {
    const x = rowsOf(activations, input);
    const sum = arithmetic.scratch.zeros(`gram.${input}`, width * width);
    arithmetic.outerAdd(sum, x, x, T, width, width);
    out.set(sum, next);
    next += width * width;
  }
  return next;
}

/** Adds up the flat sums of sequences, in 64 bits. */
export class GramSum {
  readonly grams: Grams;
  private readonly parts: Gram[];

  constructor(config: ModelConfig, projections: readonly Projection[]) {
    const inputs = gramInputs(config, projections);
    this.grams = Array.from({ length: config.numLayers }, () =>
      Object.fromEntries(inputs.map(({ input, width }) => [input, { width, data: new Float64Array(width * width) }])),
    );
    this.parts = this.grams.flatMap((layer) => inputs.map(({ input }) => layer[input] as Gram));
  }

  add(flat: Float32Array): void {
    let at = 0;
    for (const { data } of this.parts) for (let i = 0; i < data.length; i++) data[i]! += flat[at++] as number;
  }
}
