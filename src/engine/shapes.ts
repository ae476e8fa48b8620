/**
 * Real models by name: their configurations, and random weights of their shapes. Speed and memory depend on the shape alone, so
 * both can be known without the files.
 */
import { drawUniform } from '../random';
import { parseModelConfig, tensorShapes } from './config';
import { RequestError } from './errors';
import type { ModelStream } from './stream';
import type { ModelConfig } from './types';

/**
 * What config.json of these repositories on huggingface.co says, as far as this engine reads it: HuggingFaceTB/SmolLM2-135M-Instruct
 * and -360M-Instruct, Qwen/Qwen2.5-0.5B-Instruct, Qwen/Qwen3-0.6B, meta-llama/Llama-3.2-1B-Instruct.
 */
const CONFIGS = {
  'SmolLM2-135M': {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    vocab_size: 49152,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  },
  'SmolLM2-360M': {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 960,
    intermediate_size: 2560,
    num_hidden_layers: 32,
    num_attention_heads: 15,
    num_key_value_heads: 5,
    vocab_size: 49152,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  },
  'Qwen2.5-0.5B': {
    architectures: ['Qwen2ForCausalLM'],
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    vocab_size: 151936,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    tie_word_embeddings: true,
    bos_token_id: 151643,
    eos_token_id: 151645,
  },
  'Qwen3-0.6B': {
    architectures: ['Qwen3ForCausalLM'],
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    vocab_size: 151936,
    max_position_embeddings: 40960,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    tie_word_embeddings: true,
    bos_token_id: 151643,
    eos_token_id: 151645,
  },
  'Llama-3.2-1B': {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 32,
      high_freq_factor: 4,
      low_freq_factor: 1,
      original_max_position_embeddings: 8192,
    },
    tie_word_embeddings: true,
    bos_token_id: 128000,
    eos_token_id: [128001, 128008, 128009],
  },
} as const;

export type ShapeName = keyof typeof CONFIGS;
export const SHAPE_NAMES = Object.keys(CONFIGS) as ShapeName[];

/** Standard deviation of random matrices: what these models are initialised with. */
const STANDARD_DEVIATION = 0.02;
/** Values that come at once; 16 MiB. */
const PIECE_VALUES = 4 << 20;
const TABLE = 1 << 16;
/** Named draws of the table and of the tensors' seeds; no experiment has a stream above 2^15. */
const TABLE_STREAM = 0xfff0;
const TENSOR_STREAM = 0xfff1;

/** A model's configuration by name. @throws RequestError for an unknown name, with the known ones */
export function shapeConfig(name: string): ModelConfig {
  if (!Object.hasOwn(CONFIGS, name)) {
    throw new RequestError(`there is no shape ${name}; known: ${SHAPE_NAMES.join(', ')}`);
  }
  return parseModelConfig(CONFIGS[name as ShapeName], `${name} config.json`);
}

/** Values of all tensors; a tied head counts once. */
export function parameterCount(config: ModelConfig): number {
  let sum = 0;
  for (const shape of tensorShapes(config).values()) sum += shape.reduce((product, size) => product * size, 1);
  return sum;
}

/**
 * Random weights of a shape, made piece by piece as they are read: matrices and biases normal with standard deviation 0.02,
 * norms 1. The same seed gives the same weights, however often they are read; the hash stays null.
 */
export function randomStream(config: ModelConfig, seed = 0): ModelStream {
  const bytes = 4 * parameterCount(config);
  return {
    config,
    bytes,
    hash: null,
    async read(sink, { signal, onProgress } = {}) {
      const normals = normalTable();
      const room = new Float32Array(PIECE_VALUES);
      let done = 0;
      for (const [index, [name, shape]] of [...tensorShapes(config)].entries()) {
        const [rows = 1, ...rest] = shape;
        const width = rest.reduce((product, size) => product * size, 1);
        const most = Math.max(1, Math.floor(PIECE_VALUES / width));
        const fill = name.endsWith('norm.weight') ? ones : normalFiller(normals, seed, index);
        for (let firstRow = 0; firstRow < rows; firstRow += most) {
          signal?.throwIfAborted();
          const values = Math.min(most, rows - firstRow) * width;
          // A row may be longer than the room.
          const data = values <= room.length ? room.subarray(0, values) : new Float32Array(values);
          fill(data);
          await sink({ name, shape, firstRow, data });
          onProgress?.((done += data.byteLength), bytes);
        }
      }
    },
  };
}

function ones(data: Float32Array): void {
  data.fill(1);
}

/** Continues one tensor's values from piece to piece: places in a table of normal numbers, two from a word of xorshift32. */
function normalFiller(normals: Float32Array, seed: number, tensor: number): (data: Float32Array) => void {
  // Zero is the one state that xorshift does not leave.
  let state = Math.floor(drawUniform({ seed, stream: TENSOR_STREAM }, tensor) * 2 ** 32) | 1;
  return (data) => {
    let word = state;
    for (let i = 0; i < data.length; i += 2) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      data[i] = normals[word & 0xffff] as number;
      if (i + 1 < data.length) data[i + 1] = normals[word >>> 16] as number;
    }
    state = word;
  };
}

let table: Float32Array | null = null;

/** Normal numbers (Box–Muller). Drawing every weight would take minutes for half a billion of them. */
function normalTable(): Float32Array {
  if (table !== null) return table;
  table = new Float32Array(TABLE);
  for (let i = 0; i < TABLE; i += 2) {
    const name = { seed: 0, stream: TABLE_STREAM };
    const radius = STANDARD_DEVIATION * Math.sqrt(-2 * Math.log(drawUniform(name, i)));
    const angle = 2 * Math.PI * drawUniform(name, i + 1);
    table[i] = radius * Math.cos(angle);
    table[i + 1] = radius * Math.sin(angle);
  }
  return table;
}
