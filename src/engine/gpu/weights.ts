/**
 * The frozen base model on the device, and the one place that knows in which format its projections are stored: whoever
 * multiplies by a projection's weight records it through `encodeLinear`.
 */

import { projectionName } from '../config';
import { SafetensorsError } from '../errors';
import { PROJECTIONS, type ModelWeights, type Projection } from '../types';
import type { Gpu } from './device';
import type { Program } from './program';

/** Frozen weights of one decoder layer; norms [D], projections [out, in], biases [out], q/k norms [Dh]. */
export interface DeviceLayer {
  inputNorm: GPUBuffer;
  postNorm: GPUBuffer;
  /** Only with qkNorm. */
  qNorm: GPUBuffer | null;
  kNorm: GPUBuffer | null;
  projections: Record<Projection, GPUBuffer>;
  /** q, k and v only, with qkvBias. */
  biases: Partial<Record<Projection, GPUBuffer>>;
}

export interface DeviceWeights {
  /** [V, D] */
  embedding: GPUBuffer;
  /** [V, D]; the embedding itself when the head is tied. */
  head: GPUBuffer;
  /** [D] */
  norm: GPUBuffer;
  layers: DeviceLayer[];
  /** Of all of them, in bytes. */
  bytes: number;
}

/**
 * Copies a model to the device as f32.
 * @throws SafetensorsError when a tensor is missing; MemoryPlanError when one is larger than a binding may be.
 */
export function uploadWeights(gpu: Gpu, { config, tensors }: ModelWeights): DeviceWeights {
  let bytes = 0;
  const upload = (name: string): GPUBuffer => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new SafetensorsError('model', `there is no tensor ${name}`);
    const buffer = gpu.upload(name, tensor.data);
    bytes += buffer.size;
    return buffer;
  };
  const embedding = upload('model.embed_tokens.weight');
  const head = config.tieWordEmbeddings ? embedding : upload('lm_head.weight');
  const norm = upload('model.norm.weight');
  const layers: DeviceLayer[] = [];
  for (let layer = 0; layer < config.numLayers; layer++) {
    const prefix = `model.layers.${layer}`;
    const projections = {} as Record<Projection, GPUBuffer>;
    const biases: Partial<Record<Projection, GPUBuffer>> = {};
    for (const projection of PROJECTIONS) {
      projections[projection] = upload(projectionName(layer, projection));
      if (config.qkvBias && 'qkv'.includes(projection.charAt(0))) {
        biases[projection] = upload(projectionName(layer, projection, 'bias'));
      }
    }
    layers.push({
      inputNorm: upload(`${prefix}.input_layernorm.weight`),
      postNorm: upload(`${prefix}.post_attention_layernorm.weight`),
      qNorm: config.qkNorm ? upload(`${prefix}.self_attn.q_norm.weight`) : null,
      kNorm: config.qkNorm ? upload(`${prefix}.self_attn.k_norm.weight`) : null,
      projections,
      biases,
    });
  }
  return { embedding, head, norm, layers, bytes };
}

/** Outputs and tokens that one invocation of linear_forward makes, each way. */
const TILE = 4;

/** LoRA's half of a projection: xa [T, R] is already A·x times the scale; `offset` is B's first element in a slot. */
export interface LoraExpansion {
  xa: GPUBuffer;
  pool: GPUBuffer;
  slot: GPUBuffer;
  rank: number;
  slotElements: number;
  offset: number;
}

export interface LinearJob {
  in: number;
  out: number;
  /** T */
  tokens: number;
  /** [T, in] */
  x: GPUBuffer;
  /** [out, in] */
  weight: GPUBuffer;
  /** [T, out]; another buffer than x and residual */
  y: GPUBuffer;
  bias?: GPUBuffer | undefined;
  residual?: GPUBuffer | undefined;
  lora?: LoraExpansion | null;
}

/** Records y = residual + (bias + (W x + B xa)). */
export function encodeLinear(gpu: Gpu, program: Program, job: LinearJob): void {
  const { x, weight, y, bias, residual, lora } = job;
  const vector = job.in % 4 === 0;
  const lanes = linearLanes(gpu, job.out);
  const rank = lora?.rank ?? 0;
  program.add(
    vector ? 'linear_forward' : 'linear_forward_scalar',
    { LORA: lora != null, ...(vector ? { LANES: lanes } : {}) },
    // A binding that is switched off goes unread; any buffer that is only read will do.
    [x, weight, bias ?? weight, lora?.xa ?? x, lora?.pool ?? x, lora?.slot ?? x, residual ?? x, y],
    [
      job.tokens,
      lora?.slotElements ?? 0,
      lora?.offset ?? 0,
      vector ? job.in / 4 : job.in,
      job.out,
      vector ? rank / 4 : rank,
      bias === undefined ? 0 : 1,
      residual === undefined ? 0 : 1,
    ],
    vector
      ? [Math.ceil(job.out / (TILE * lanes)), Math.ceil(job.tokens / TILE)]
      : [Math.ceil(job.out / 64), job.tokens],
  );
}

/** Lanes of a workgroup: one SIMD register on a CPU driver, one or two warps on a GPU. */
function linearLanes(gpu: Gpu, outputs: number): number {
  if (gpu.isCpu) return 8;
  return outputs > 128 ? 64 : 32;
}
