/** Tensors that nobody asks for, other heads of tied models, faulty headers, and adapters: refused by name. */
import { describe, expect, it } from 'vitest';
import { parseModelConfig, tensorShapes } from '../../src/engine/config';
import { AdapterError, SafetensorsError, WeightValueError } from '../../src/engine/errors';
import { MODEL_LIMITS } from '../../src/engine/limits';
import { initAdapter, loadAdapter, parseAdapter, serialiseAdapter } from '../../src/engine/peft';
import { dataStart, parseHeader, parseShardIndex, writeSafetensors } from '../../src/engine/safetensors';
import { collect, openModelStream } from '../../src/engine/stream';
import type { HostTensor } from '../../src/engine/types';
import { memorySource } from './weightFile';

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 16,
  tie_word_embeddings: true,
};
const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

type Tensors = Map<string, HostTensor>;

function tensor(shape: number[], value = 0.5): HostTensor {
  return { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) };
}

function tensorsOf(config: object): Tensors {
  const shapes = tensorShapes(parseModelConfig(config, 'c'));
  return new Map([...shapes].map(([name, shape], i) => [name, tensor(shape, i / 64)]));
}

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Opens and reads a model of these tensors. */
async function load(config: object, tensors: Tensors, shards?: (name: string) => string): Promise<string[]> {
  const files: Record<string, Uint8Array> = { 'config.json': text(config) };
  if (shards === undefined) files['model.safetensors'] = writeSafetensors(tensors);
  else {
    const weight_map = Object.fromEntries([...tensors.keys()].map((name) => [name, shards(name)]));
    files['model.safetensors.index.json'] = text({ weight_map });
    for (const shard of new Set(Object.values(weight_map))) {
      files[shard] = writeSafetensors(new Map([...tensors].filter(([name]) => shards(name) === shard)));
    }
  }
  return [...(await collect(await openModelStream(memorySource(files)))).tensors.keys()];
}

const with_ = (...added: [string, HostTensor][]): Tensors => new Map([...tensorsOf(CONFIG), ...added]);

describe('a tensor that config.json does not announce', () => {
  const attention = 'model.layers.0.self_attn';
  const cases: [string, Tensors, object?][] = [
    [`${attention}.o_proj.bias`, with_([`${attention}.o_proj.bias`, tensor([8])])],
    [`${attention}.q_proj.bias`, tensorsOf({ ...CONFIG, architectures: ['Qwen2ForCausalLM'] })],
    [`${attention}.q_norm.weight`, tensorsOf({ ...CONFIG, architectures: ['Qwen3ForCausalLM'], head_dim: 4 })],
    ['model.layers.2.input_layernorm.weight', tensorsOf({ ...CONFIG, num_hidden_layers: 3 })],
    ['model.layers.0.mlp.gate_proj.bias', with_(['model.layers.0.mlp.gate_proj.bias', tensor([12])])],
    [
      'model.layers.0.post_feedforward_layernorm.weight',
      with_(['model.layers.0.post_feedforward_layernorm.weight', tensor([8])]),
    ],
    ['model.layers.1.mlp.experts.0.w1.weight', with_(['model.layers.1.mlp.experts.0.w1.weight', tensor([8])])],
    ['model.embed_positions.weight', with_(['model.embed_positions.weight', tensor([16, 8])])],
    ['lm_head.bias', with_(['lm_head.bias', tensor([16])])],
    ['model.norm.bias', with_(['model.norm.bias', tensor([8])])],
    ['score.weight', with_(['score.weight', tensor([2, 8])])],
    [`${attention}.rotary_emb.inv_freqs`, with_([`${attention}.rotary_emb.inv_freqs`, tensor([2])])],
    ['vision_tower.x.weight', with_(['vision_tower.x.weight', tensor([2, 8])])],
  ];
  it.each(cases)('%s is refused by name, in one file and in shards', async (name, tensors) => {
    for (const shards of [undefined, (of: string) => (of < 'model.layers.1' ? 'a.safetensors' : 'b.safetensors')]) {
      const opened = load(CONFIG, tensors, shards);
      await expect(opened).rejects.toThrow(SafetensorsError);
      await expect(opened).rejects.toThrow(name);
      await expect(opened).rejects.toThrow(/^memory\/model\.safetensors.*Get config\.json and weights from one copy/);
    }
  });

  it('is refused in a shard whose index does not name it', async () => {
    const tensors = tensorsOf(CONFIG);
    const index = { weight_map: Object.fromEntries([...tensors.keys()].map((name) => [name, 'a.safetensors'])) };
    const files = {
      'config.json': text(CONFIG),
      'model.safetensors.index.json': text(index),
      'a.safetensors': writeSafetensors(with_(['extra', tensor([1])])),
    };
    await expect(openModelStream(memorySource(files))).rejects.toThrow(/a\.safetensors: holds extra/);
  });

  it('passes when it is a buffer of older versions', async () => {
    const buffers = ['model.layers.1.self_attn.rotary_emb.inv_freq', 'model.rotary_emb.inv_freq'];
    const read = await load(CONFIG, with_(...buffers.map((name): [string, HostTensor] => [name, tensor([4])])));
    expect(read.sort()).toEqual([...tensorsOf(CONFIG).keys()].sort());
  });

  it.each(['masked_bias', 'rotary_emb.cos_cached', 'rotary_emb.inv_freq.weight', 'rotary_emb.original_inv_freq'])(
    '%s is no buffer of which a source says that it is computed',
    async (name) => {
      await expect(load(CONFIG, with_([`${attention}.${name}`, tensor([4])]))).rejects.toThrow(name);
    },
  );

  it('is named with its prefix where all names have another one', async () => {
    const moved = new Map([...tensorsOf(CONFIG)].map(([name, t]) => [`language_${name}`, t]));
    await expect(load(CONFIG, moved)).rejects.toThrow(/begin with "language_model\."/);
  });
});

describe('a head in the file of a tied model', () => {
  const embedding = tensorsOf(CONFIG).get(EMBEDDING) as HostTensor;
  const other = { shape: embedding.shape, data: embedding.data.map((x, i) => (i === 127 ? x + 0.25 : x)) };
  const shards = (name: string) => (name === HEAD ? 'a.safetensors' : 'b.safetensors');

  it('passes when it is a copy, which is not handed out', async () => {
    for (const where of [undefined, shards])
      expect(await load(CONFIG, with_([HEAD, embedding]), where)).not.toContain(HEAD);
  });

  it('is refused when one value differs, or the shape', async () => {
    for (const where of [undefined, shards]) {
      await expect(load(CONFIG, with_([HEAD, other]), where)).rejects.toThrow(
        /lm_head\.weight differs from model\.embed_tokens/,
      );
    }
    await expect(load(CONFIG, with_([HEAD, tensor([8, 16])]))).rejects.toThrow(/lm_head\.weight has shape \[8, 16\]/);
  });

  it('is used as it is when the model is not tied', async () => {
    expect(await load({ ...CONFIG, tie_word_embeddings: false }, with_([HEAD, other]))).toContain(HEAD);
  });
});

describe('a header', () => {
  const file = (header: unknown, data = 0): Uint8Array => {
    const json = typeof header === 'string' ? new TextEncoder().encode(header) : text(header);
    const bytes = new Uint8Array(8 + json.length + data);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
    bytes.set(json, 8);
    return bytes;
  };
  const entry = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({ dtype, shape, data_offsets: offsets });
  it.each([
    ['no JSON', file('{"a"'), /header is not JSON/],
    ['a list', file([]), /header is not a JSON object/],
    ['an entry that is text', file({ a: 'x' }), /entry of a lacks/],
    ['an entry that is null', file({ a: null }), /entry of a lacks/],
    ['a negative size', file({ a: entry([-1], [0, 4]) }, 4), /entry of a lacks/],
    ['a size that is no number', file({ a: entry(['4'], [0, 4]) }, 4), /entry of a lacks/],
    ['three offsets', file({ a: entry([1], [0, 4, 8]) }, 4), /entry of a lacks/],
    ['offsets that go back', file({ a: entry([1], [4, 0], 'I64') }, 4), /ends at byte 0, before its start/],
    ['a size that does not fit', file({ a: entry([2], [0, 4]) }, 4), /is 8 bytes, its offsets span 4/],
    ['an overlap', file({ a: entry([1], [0, 4]), b: entry([1], [2, 6]) }, 6), /overlaps/],
    ['a hole', file({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, 12), /a hole before tensor b/],
    ['bytes at the end', file({ a: entry([1], [0, 4]) }, 8), /4 bytes that belong to no tensor/],
    ['data that ends early', file({ a: entry([2], [0, 8]) }, 4), /ends at byte 8 of 4/],
    ['metadata that is no map', file({ __metadata__: [1] }), /__metadata__/],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), /__metadata__/],
    ['seven bytes', new Uint8Array(7), /no header/],
  ])('with %s is refused with the name of the file', (_, bytes, message) => {
    const parse = () => parseHeader(bytes, bytes.length, 'x.safetensors');
    expect(parse).toThrow(message);
    expect(parse).toThrow(SafetensorsError);
    expect(parse).toThrow(/^x\.safetensors: /);
  });

  it('has a bound on its length, its tensors and the shards of an index', () => {
    const start = (length: number) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
      return bytes;
    };
    const { max } = MODEL_LIMITS.headerBytes;
    expect(dataStart(start(max), max + 8, 'f')).toBe(max + 8);
    for (const length of [max + 1, 2 ** 52]) {
      expect(() => dataStart(start(length), 2 ** 53 - 1, 'f')).toThrow(/bytes of header are above the limit/);
    }
    const many = (count: number) => {
      const bytes = file(Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, entry([0], [0, 0])])));
      return () => parseHeader(bytes, bytes.length, 'f');
    };
    expect(many(MODEL_LIMITS.tensors.max)()).toHaveLength(MODEL_LIMITS.tensors.max);
    expect(many(MODEL_LIMITS.tensors.max + 1)).toThrow(/65,537 tensors in a file or an index are above/);
    const index = (count: number) => () =>
      parseShardIndex(
        { weight_map: Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, `${i}.safetensors`])) },
        'f',
      );
    expect(index(MODEL_LIMITS.shards.max)().shards).toHaveLength(MODEL_LIMITS.shards.max);
    expect(index(MODEL_LIMITS.shards.max + 1)).toThrow(/1,025 weight files are above/);
    for (const json of [[], null, { weight_map: [] }, { weight_map: {} }, { weight_map: { a: '../b.safetensors' } }]) {
      expect(() => parseShardIndex(json, 'f')).toThrow(SafetensorsError);
    }
  });
});

describe("an adapter's tensors", () => {
  const model = parseModelConfig(CONFIG, 'c');
  const weights = initAdapter(model, { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] }, 1);
  const files = serialiseAdapter(weights, model);
  const config = files['adapter_config.json'];
  const renamed = (rename: (name: string) => string) =>
    writeSafetensors(new Map([...weights.tensors].map(([name, t]) => [rename(name), t])));
  const parse = (bytes: Uint8Array) => () => parseAdapter(config, bytes, model, 'dir');

  it('are read as PEFT writes them', () => {
    expect(parse(files['adapter_model.safetensors'])().tensors.size).toBe(weights.tensors.size);
    expect(parse(renamed((name) => name.replace('.weight', '.default.weight')))().tensors.size).toBe(
      weights.tensors.size,
    );
  });

  it.each([
    ['base_model.model.', ''],
    ['base_model.model.model.', 'base_model.model.'],
    ['base_model.model.', 'model.'],
    ['base_model.model.model.', 'transformer.'],
  ])('in place of %s with %s name the prefix found', (from, to) => {
    const fault = parse(renamed((name) => name.replace(from, to)));
    const found = from === 'base_model.model.' ? `${to}model.` : to;
    expect(fault).toThrow(`the names here begin with "${found}", PEFT's with "base_model.model.model."`);
    expect(fault).toThrow(AdapterError);
  });

  it('that are not finite, twice there or of no target are refused by name', () => {
    const name = [...weights.tensors.keys()][1] as string;
    for (const value of [NaN, Infinity, -Infinity]) {
      const spoilt = new Map(weights.tensors).set(name, tensor(weights.tensors.get(name)!.shape, value));
      expect(parse(writeSafetensors(spoilt))).toThrow(WeightValueError);
      expect(parse(writeSafetensors(spoilt))).toThrow(`tensor ${name} holds ${value}`);
    }
    const again = name.replace('.weight', '.default.weight');
    const twice = new Map(weights.tensors).set(again, weights.tensors.get(name)!);
    expect(parse(writeSafetensors(twice))).toThrow(/is there twice/);
    const extra = new Map(weights.tensors).set('base_model.model.lm_head.lora_A.weight', tensor([2, 8]));
    expect(parse(writeSafetensors(extra))).toThrow(/lm_head\.lora_A\.weight belongs to no target/);
  });

  it('are not read when the file is larger than any adapter', async () => {
    const source = { ...memorySource({ ...files }), size: async () => MODEL_LIMITS.adapterBytes.max + 1 };
    await expect(loadAdapter(source, model)).rejects.toThrow(/bytes of an adapter are above the limit/);
    const fits = { ...source, size: async () => MODEL_LIMITS.adapterBytes.max };
    expect((await loadAdapter(fits, model)).config.rank).toBe(2);
  });
});
