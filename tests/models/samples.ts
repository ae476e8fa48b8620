/** A small repository with the files of a real one, and a clock that runs fast. */
import { drawUint } from '../../src/random';
import { systemClock, type Clock } from '../../src/models/retry';
import type { Repo } from './hubServer';

export const REPO = 'tiny/llama-tiny';
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const CHUNK = 1024;

export const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 100,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 128,
  hidden_act: 'silu',
  tie_word_embeddings: true,
};

export function noise(bytes: number, seed: number): Uint8Array {
  const content = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) content[i] = drawUint({ seed, stream: 99 }, i >> 2) >>> (8 * (i & 3));
  return content;
}

const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** config, tokenizer, one weights file, and files that are not needed. */
export function repoFiles(weightBytes = 40 * CHUNK + 77): Map<string, Uint8Array> {
  return new Map([
    ['.gitattributes', text('x')],
    ['README.md', text('a model')],
    ['config.json', text(CONFIG)],
    ['generation_config.json', text({})],
    ['model.safetensors', noise(weightBytes, 1)],
    ['pytorch_model.bin', noise(9000, 2)],
    ['tokenizer.json', noise(6 * CHUNK + 5, 3)],
    ['tokenizer_config.json', text({ model_max_length: 128 })],
    ['onnx/model.onnx', noise(5000, 4)],
  ]);
}

export function shardedFiles(): Map<string, Uint8Array> {
  const files = repoFiles();
  files.delete('model.safetensors');
  const [a, b] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  files.set('model.safetensors.index.json', text({ weight_map: { 'w.one': a, 'w.two': b } }));
  return files.set(a, noise(5 * CHUNK, 5)).set(b, noise(3 * CHUNK + 1, 6));
}

export function openRepo(files = repoFiles()): Repo {
  return { commit: COMMIT, files, token: null };
}

/** Waits a thousandth of what it is asked to, and keeps a record. */
export function fastClock(): Clock & { waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    now: () => systemClock.now() * 1000,
    sleep(ms, signal) {
      waits.push(ms);
      return systemClock.sleep(ms / 1000, signal);
    },
  };
}

/** Twenty seconds on the fast clock. */
export const PATIENT_MS = 20_000_000;
