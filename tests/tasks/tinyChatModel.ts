/** An instruct model in small: random Llama weights, and a tokenizer of bytes with a ChatML template. */
import { parseModelConfig, tensorShapes } from '../../src/engine/config';
import type { FileSource } from '../../src/engine/source';
import { writeSafetensors } from '../../src/engine/safetensors';
import type { HostTensor, ModelWeights } from '../../src/engine/types';
import { drawUniform } from '../../src/random';
import { byteTokenizer, END, START } from './byteTokenizer';

export const TINY_CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 258,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 4096,
  tie_word_embeddings: true,
  bos_token_id: null,
  eos_token_id: END,
  hidden_act: 'silu',
};

/** Size of the first component of every embedding, where it says whether a token can be sampled. */
const LEAN = 4;

/**
 * Random weights.
 * @param printable leans towards printable ASCII, line breaks and the end of the turn: without it the model says all bytes, and what is no UTF-8
 * takes more tokens when it is read again
 */
export function tinyWeights(printable = false): ModelWeights {
  const config = parseModelConfig(TINY_CONFIG, 'config.json');
  const tensors = new Map<string, HostTensor>();
  let index = 0;
  for (const [name, shape] of tensorShapes(config)) {
    const draw = { seed: 3, stream: 0, problem: index++ };
    const size = shape.reduce((x, y) => x * y, 1);
    const data = Float32Array.from({ length: size }, (_, i) => (shape.length === 1 ? 1 : drawUniform(draw, i) - 0.5));
    tensors.set(name, { shape, data });
    if (printable && name === 'model.embed_tokens.weight') {
      const width = shape[1] as number;
      for (let id = 0; id < (shape[0] as number); id++)
        data[id * width] = (id >= 32 && id < 127) || id === 10 || id === END ? LEAN : -LEAN;
    }
  }
  return { config, tensors };
}

/** The tokenizer's two files; with `weights` a whole model folder. @param pieces further tokens of the tokenizer */
export function tinyFiles(weights?: ModelWeights, pieces: readonly string[] = []): Record<string, Uint8Array> {
  const encoder = new TextEncoder();
  const files: Record<string, unknown> = byteTokenizer(pieces);
  if (weights) files['config.json'] = TINY_CONFIG;
  const encoded = Object.entries(files).map(([name, value]) => [name, encoder.encode(JSON.stringify(value))] as const);
  return {
    ...Object.fromEntries(encoded),
    ...(weights && { 'model.safetensors': writeSafetensors(weights.tensors) }),
  };
}

/** The tokenizer's tokenizer.json with a post-processor as Llama 3 has it: every text begins with START. @param after ends it too */
export function beginningTokenizer(after = false): string {
  const id = '<|im_start|>';
  const [begin, end] = [{ SpecialToken: { id, type_id: 0 } }, { SpecialToken: { id: '<|im_end|>', type_id: 0 } }];
  const text = { Sequence: { id: 'A', type_id: 0 } };
  const template = {
    type: 'TemplateProcessing',
    single: [begin, text, ...(after ? [end] : [])],
    pair: [begin, text],
    special_tokens: {
      [id]: { id, ids: [START], tokens: [id] },
      '<|im_end|>': { id: '<|im_end|>', ids: [END], tokens: ['<|im_end|>'] },
    },
  };
  const bytes = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };
  const post_processor = { type: 'Sequence', processors: [bytes, template] };
  return JSON.stringify({ ...byteTokenizer()['tokenizer.json'], post_processor });
}

export function tinySource(pieces: readonly string[] = []): FileSource {
  const files = tinyFiles(undefined, pieces);
  return {
    name: 'tiny',
    read: (path) => {
      const file = files[path];
      return file ? Promise.resolve(file) : Promise.reject(new Error(`no ${path}`));
    },
    exists: (path) => Promise.resolve(path in files),
  };
}
