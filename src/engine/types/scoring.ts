/** What is asked of texts that are there. */
import type { AdapterId } from './adapters';
import type { Projection } from './model';

export interface ScoreRequest {
  /** At least two ids. */
  ids: ArrayLike<number>;
  adapter: AdapterId | null;
}

/**
 * What the matrices of a layer read, each once: q, k and v read the normed stream before attention, o the heads' outputs, gate and up the
 * normed stream before the MLP, down what the gate lets through.
 */
export const LAYER_INPUTS = ['attention', 'heads', 'mlp', 'gated'] as const;
export type LayerInput = (typeof LAYER_INPUTS)[number];

/** What each matrix reads. */
export const INPUT_OF: Readonly<Record<Projection, LayerInput>> = {
  q_proj: 'attention',
  k_proj: 'attention',
  v_proj: 'attention',
  o_proj: 'heads',
  gate_proj: 'mlp',
  up_proj: 'mlp',
  down_proj: 'gated',
};

/** Σ x xᵀ over the inputs x of a matrix [width, width]. */
export interface Gram {
  width: number;
  data: Float64Array;
}

/** Gram matrices of a model by layer: those of the inputs that were asked for. */
export type Grams = Partial<Record<LayerInput, Gram>>[];
