/**
 * A Llama's forward pass in plain float64, written from the model's definition and sharing no code with the engines, and the packing of
 * weights in float64. Shapes: matrices are [out, in], rows first; one sequence, no cache.
 */
import type { LayerInput, ModelConfig, WeightDtype } from '../../src/engine/types';

type Tensors = ReadonlyMap<string, { shape: readonly number[]; data: ArrayLike<number> }>;
type Vector = number[];

/** What a layer's matrices read at one position, under the engine's names. */
export type Look = (layer: number, read: Readonly<Record<LayerInput, Vector>>) => void;

/** Mean of −log p of every id after the first. @param look is shown what every layer reads, position by position */
export function nll64(config: ModelConfig, tensors: Tensors, ids: readonly number[], look?: Look): number {
  const data = (name: string): ArrayLike<number> => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`no ${name}`);
    return tensor.data;
  };
  const { hiddenSize: D, numHeads: H, numKvHeads: K, headDim, ropeTheta, rmsNormEps } = config;
  const embedding = data('model.embed_tokens.weight');
  const head = config.tieWordEmbeddings ? embedding : data('lm_head.weight');
  const norm = (x: Vector, name: string): Vector => {
    const weight = data(name);
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + rmsNormEps);
    return x.map((value, i) => value * scale * (weight[i] as number));
  };
  /** Pairs (i, i + headDim / 2) of every head are turned by position · theta^(−2i / headDim). */
  const rope = (x: Vector, position: number): Vector => {
    const turned = [...x];
    for (let at = 0; at < x.length; at += headDim) {
      for (let i = 0; i < headDim / 2; i++) {
        const angle = position * ropeTheta ** ((-2 * i) / headDim);
        const [a, b] = [x[at + i] as number, x[at + i + headDim / 2] as number];
        turned[at + i] = a * Math.cos(angle) - b * Math.sin(angle);
        turned[at + i + headDim / 2] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return turned;
  };
  let hidden = ids.map((id) => Array.from({ length: D }, (_, i) => embedding[id * D + i] as number));
  for (let layer = 0; layer < config.numLayers; layer++) {
    const at = `model.layers.${layer}`;
    const project = (x: Vector, name: string): Vector => times(data(`${at}.${name}.weight`), x);
    const inputs = hidden.map((x) => norm(x, `${at}.input_layernorm.weight`));
    const q = inputs.map((x, t) => rope(project(x, 'self_attn.q_proj'), t));
    const k = inputs.map((x, t) => rope(project(x, 'self_attn.k_proj'), t));
    const v = inputs.map((x) => project(x, 'self_attn.v_proj'));
    hidden = hidden.map((x, t) => {
      const mixed: Vector = new Array<number>(H * headDim).fill(0);
      for (let h = 0; h < H; h++) {
        const own = h * headDim;
        const shared = Math.floor((h * K) / H) * headDim;
        const scores = k.slice(0, t + 1).map((key) => {
          let sum = 0;
          for (let i = 0; i < headDim; i++) sum += (q[t]?.[own + i] as number) * (key[shared + i] as number);
          return sum / Math.sqrt(headDim);
        });
        const shares = scores.map((score) => Math.exp(score - logSumExp(scores)));
        shares.forEach((share, s) => {
          for (let i = 0; i < headDim; i++) mixed[own + i] = mixed[own + i]! + share * (v[s]?.[shared + i] as number);
        });
      }
      const attended = add(x, project(mixed, 'self_attn.o_proj'));
      const inner = norm(attended, `${at}.post_attention_layernorm.weight`);
      const gate = project(inner, 'mlp.gate_proj');
      const up = project(inner, 'mlp.up_proj');
      const silu = gate.map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] as number));
      look?.(layer, { attention: inputs[t] as Vector, heads: mixed, mlp: inner, gated: silu });
      return add(attended, project(silu, 'mlp.down_proj'));
    });
  }
  let sum = 0;
  for (let t = 0; t + 1 < ids.length; t++) {
    const logits = times(head, norm(hidden[t] as Vector, 'model.norm.weight'));
    sum += logSumExp(logits) - (logits[ids[t + 1] as number] as number);
  }
  return sum / (ids.length - 1);
}

/**
 * Every matrix in groups of 32 along the input, the last of a row shorter where the width is no multiple: int8 keeps the nearest of
 * −127…127 multiples of max|w| / 127, int4 the nearest of −8…7 multiples of what makes the extreme weight −8. Scales have the 11 bits of
 * an f16.
 */
export function packed64(tensors: Tensors, dtype: WeightDtype): Tensors {
  if (dtype === 'f32') return tensors;
  return new Map(
    [...tensors].map(([name, { shape, data }]) => {
      const width = shape[1];
      if (width === undefined) return [name, { shape, data }];
      const kept = Array.from(data);
      for (let row = 0; row < kept.length; row += width) {
        for (let from = row; from < row + width; from += 32) {
          const group = kept.slice(from, Math.min(from + 32, row + width));
          const extreme = group.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
          const scale = elevenBits(dtype === 'int8' ? Math.abs(extreme) / 127 : extreme / -8);
          const [least, most] = dtype === 'int8' ? [-127, 127] : [-8, 7];
          group.forEach((value, i) => {
            kept[from + i] = scale === 0 ? 0 : Math.min(most, Math.max(least, Math.round(value / scale))) * scale;
          });
        }
      }
      return [name, { shape, data: kept }];
    }),
  );
}

function elevenBits(value: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 10);
  return Math.round(value / unit) * unit;
}

function times(matrix: ArrayLike<number>, x: Vector): Vector {
  return Array.from({ length: matrix.length / x.length }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += (matrix[row * x.length + i] as number) * (x[i] as number);
    return sum;
  });
}

function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] as number));
}

function logSumExp(values: Vector): number {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
