/** Which configurations pass, and that every key that is not known is refused by name. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseModelConfig, readModelConfig } from '../../src/engine/config';
import { MODEL_KEYS } from '../../src/engine/configKeys';
import { ConfigError, UnknownKeysError } from '../../src/engine/errors';
import { HARMLESS_ADAPTER_KEYS, HARMLESS_MODEL_KEYS, HARMLESS_TENSORS } from '../../src/engine/harmlessKeys';
import { readJson } from '../../src/engine/json';
import { MODEL_LIMITS } from '../../src/engine/limits';
import { ADAPTER_KEYS, parseAdapterConfig } from '../../src/engine/peftConfig';

const DIR = 'tests/engine/configs';
const NAMES = readdirSync(DIR).filter((name) => name.endsWith('.json'));
const read = (name: string) => readFileSync(`${DIR}/${name}`);
const json = (name: string) => JSON.parse(read(name).toString()) as Record<string, unknown>;
const LLAMA = json('TinyLlama-1.1B-Chat-v1.0.json');
const QWEN2 = json('Qwen2.5-0.5B.json');
const QWEN3 = json('Qwen3-0.6B.json');
const encode = (text: string) => new TextEncoder().encode(text);

describe('configurations of published models', () => {
  it.each(NAMES)('%s passes', (name) => {
    const config = readModelConfig(readJson(read(name), name), name);
    expect(config.vocabSize).toBe(json(name).vocab_size);
    expect(config.numLayers).toBe(json(name).num_hidden_layers);
    expect(config).not.toHaveProperty('ignored');
  });

  it('are at least fifteen', () => expect(NAMES.length).toBeGreaterThan(15));

  it('are the files on the hub, byte for byte, by the sums that others publish', () => {
    const rows = readFileSync(`${DIR}/README.md`, 'utf8').matchAll(/^\| (\S+) +\| `([0-9a-f]{64})`/gm);
    const published = Object.fromEntries([...rows].map(([, name, sum]) => [`${name}.json`, sum]));
    const sums = NAMES.map((name) => [name, createHash('sha256').update(read(name)).digest('hex')]);
    expect(Object.fromEntries(sums)).toEqual(published);
  });
});

describe('a key that is not known', () => {
  /** What to add to a Llama, and what the message names. */
  const refused: [string, unknown][] = [
    ['compression_config', { format: 'float-quantized' }],
    ['compression_config', {}],
    ['quantization', { bits: 4 }],
    ['quantization_config', { quant_method: 'awq' }],
    ['no_rope_layers', [1, 1, 1, 0]],
    ['no_rope_layer_interval', 4],
    ['qk_norm', true],
    ['qk_norm', false],
    ['use_qk_norm', true],
    ['rope_interleaved', true],
    ['rotary_pct', 0.25],
    ['scale_emb', 12],
    ['logits_scaling', 8],
    ['embedding_multiplier', 12],
    ['residual_multiplier', 0.22],
    ['attention_multiplier', 0.0078125],
    ['attention_multiplier', NaN],
    ['scale_depth', 1.4],
    ['dim_model_base', 256],
    ['final_logit_softcapping', 30],
    ['attn_logit_softcapping', 50],
    ['query_pre_attn_scalar', 256],
    ['sliding_window', 4096],
    ['layer_types', ['sliding_attention']],
    ['layer_types', 'full_attention'],
    ['num_local_experts', 8],
    ['clip_qkv', 8],
    ['auto_map', { AutoModelForCausalLM: 'modeling_other.OtherForCausalLM' }],
    ['pretraining_tp', 2],
    ['pruned_heads', { '0': [1] }],
    ['is_encoder_decoder', true],
    ['attention_bias', true],
    ['mlp_bias', true],
    ['hidden_act', 'gelu'],
    ['chunk_size_feed_forward', 64],
    ['something_new', null],
    ['prefix', 'Answer in French: '],
    ['task_specific_params', { 'text-generation': { prefix: 'x' } }],
    ['attention_dropout', 0.1],
    ['attention_dropout', '0'],
    ['no_rope_layers', null],
    ['no_rope_layer_interval', null],
    ['attention_multiplier', null],
    ['attention_multiplier', 1],
    ['logits_scaling', null],
    ['rope_interleaved', null],
    ['use_mrope', true],
    ['max_sequence_length', 2048],
    ['suppress_tokens', [1]],
    ['begin_suppress_tokens', []],
    ['bad_words_ids', [[2]]],
    ['forced_bos_token_id', 1],
    ['forced_eos_token_id', 2],
    ['exponential_decay_length_penalty', [10, 1.1]],
    ['is_causal', false],
    ['use_bidirectional_attention', true],
    ['per_layer_config', { '0': { head_dim: 8 } }],
    ['num_nextn_predict_layers', 1],
    ['is_decoder', null],
    ['__proto__x', 1],
    ['toString', 1],
    ['text_config', { hidden_size: 4 }],
  ];
  it.each(refused)('%s: %j is refused by name, and passes when it is ignored', (key, value) => {
    const parse = () => parseModelConfig({ ...LLAMA, [key]: value }, 'x/config.json');
    expect(parse).toThrow(UnknownKeysError);
    expect(parse).toThrow(/^x\/config\.json: /);
    expect(parse).toThrow(key === 'sliding_window' ? 'sliding window' : key === 'layer_types' ? /layer.types?/ : key);
    const { ignored, ...config } = parseModelConfig({ ...LLAMA, [key]: value }, 'c', { ignore: [key] });
    expect(ignored).toEqual([key]);
    expect({ ...config }).toEqual(parseModelConfig(LLAMA, 'c'));
  });

  it('names all of them at once, with their lines and what to do', () => {
    const text = '{\n"scale_emb": 12,\n"scale_depth": 1.4,\n' + JSON.stringify(LLAMA).slice(1);
    const parse = () => readModelConfig(readJson(encode(text), 'c'), 'c');
    expect(parse).toThrow(/"scale_emb": 12 \(line 2\), "scale_depth": 1\.4 \(line 3\)/);
    expect(parse).toThrow(/Choose another model, or .*--ignore-config scale_emb --ignore-config scale_depth/);
  });

  it('is not excused by another key that is ignored', () => {
    expect(() => parseModelConfig({ ...LLAMA, a: 1, b: 2 }, 'c', { ignore: ['a'] })).toThrow(/"b": 2/);
  });

  const models = [...MODEL_KEYS, ...Object.keys(HARMLESS_MODEL_KEYS)];
  it('is what any known key becomes by one letter', () => {
    for (const key of models) {
      for (const other of [`${key}s`, key.slice(1), key.slice(0, -1), key.replace(/[a-z]/, 'Z')]) {
        if (models.includes(other)) continue;
        expect(() => parseModelConfig({ ...LLAMA, [other]: null }, 'c'), other).toThrow(`"${other}"`);
      }
    }
  });

  it('has a source where it is harmless', () => {
    const all = [HARMLESS_MODEL_KEYS, HARMLESS_ADAPTER_KEYS].flatMap((keys) => Object.entries(keys));
    const place = /^[\w./-]+\.py|^github\.com\/[\w.-]+\/[\w.-]+|^openbmb\/MiniCPM|^Qwen2\.5-0\.5B writes it/;
    for (const [key, { source }] of all) expect(source, key).toMatch(place);
    for (const { source } of HARMLESS_TENSORS) expect(source).toMatch(place);
    for (const key of MODEL_KEYS) expect(HARMLESS_MODEL_KEYS).not.toHaveProperty([key]);
    for (const key of ADAPTER_KEYS) expect(HARMLESS_ADAPTER_KEYS).not.toHaveProperty([key]);
  });
});

describe('rotary positions', () => {
  const { rope_theta: _, rope_scaling: __, ...rest } = QWEN3;
  const full = { rope_type: 'default', rope_theta: 1e6 };
  const parse = (parts: object) => parseModelConfig({ ...rest, ...parts }, 'c');

  it('are read of a nest for the one kind of layer', () => {
    const layer_types = new Array<string>(28).fill('full_attention');
    expect(parse({ layer_types, rope_parameters: { full_attention: full } })).toEqual(parseModelConfig(QWEN3, 'c'));
    expect(parse({ rope_parameters: full, rope_scaling: full })).toEqual(parseModelConfig(QWEN3, 'c'));
  });

  it.each([
    [
      { rope_parameters: { full_attention: full, sliding_attention: { ...full, rope_theta: 1e4 } } },
      /sliding_attention/,
    ],
    [{ rope_parameters: { sliding_attention: full } }, /sliding_attention/],
    [{ rope_parameters: { full_attention: full, rope_theta: 1e4 } }, /full_attention/],
    [{ rope_parameters: { full_attention: { ...full, rope_type: 'yarn', factor: 4 } } }, /"yarn"/],
    [{ rope_parameters: full, rope_scaling: { rope_type: 'yarn', factor: 4 } }, /"yarn"/],
    [{ rope_parameters: full, rope_scaling: { ...full, rope_theta: 1e5 } }, /do not say the same/],
    [{ rope_parameters: { ...full, rope_type: 'yarn' }, rope_scaling: full }, /"yarn"/],
    [{ rope_parameters: { ...full, factor: 4 } }, /rope_parameters\.factor/],
    [{ rope_parameters: { ...full, mscale: 1 } }, /rope_parameters\.mscale/],
    [{ rope_parameters: { ...full, partial_rotary_factor: 0.5 } }, /partial_rotary_factor/],
    [{ rope_scaling: { mrope_section: [16, 24, 24], type: 'default' } }, /mrope_section/],
    [{ rope_scaling: { type: 'default', rope_type: 'llama3' } }, /rope_type "llama3" and type "default"/],
    [{ rope_theta: 1e4, rope_parameters: full }, /"rope_theta" is 10000, and 1000000/],
    [{ rope_scaling: 4 }, /not an object/],
    [{ rope_scaling: [] }, /not an object/],
    [{ rope_theta: '10000' }, /"10000" \(text\)/],
  ])('%j are refused', (parts, message) => {
    expect(() => parse(parts)).toThrow(message);
    expect(() => parse(parts)).toThrow(ConfigError);
  });

  it('can be loaded without a key inside', () => {
    const parts = { ...rest, rope_parameters: { ...full, mscale: 1 } };
    const config = parseModelConfig(parts, 'c', { ignore: ['rope_parameters.mscale'] });
    expect(config).toEqual({ ...parseModelConfig(QWEN3, 'c'), ignored: ['rope_parameters.mscale'] });
  });
});

describe('numbers of a configuration', () => {
  const bounded = [
    ['num_hidden_layers', MODEL_LIMITS.layers.max],
    ['vocab_size', MODEL_LIMITS.vocabulary.max],
    ['intermediate_size', MODEL_LIMITS.intermediate.max],
    ['max_position_embeddings', MODEL_LIMITS.positions.max],
    ['head_dim', MODEL_LIMITS.headDim.max],
    ['hidden_size', MODEL_LIMITS.hidden.max],
  ] as const;
  it.each(bounded)('%s: %i passes, one more is refused before anything is allocated', (key, max) => {
    expect(() =>
      parseModelConfig({ ...QWEN2, [key]: max, head_dim: 64, ...(key === 'head_dim' && { [key]: max }) }, 'c'),
    ).not.toThrow();
    for (const value of [max + 1, 1e9, 1e15]) {
      expect(() => parseModelConfig({ ...QWEN2, [key]: value }, 'c')).toThrow(
        new RegExp(`"${key}": .* above the limit`),
      );
    }
  });

  it('heads and end tokens have bounds too', () => {
    const heads = (n: number) => ({ ...QWEN2, num_attention_heads: n, num_key_value_heads: n, head_dim: 64 });
    expect(parseModelConfig(heads(1024), 'c').numHeads).toBe(1024);
    expect(() => parseModelConfig(heads(1025), 'c')).toThrow(/1,025 attention heads are above the limit/);
    const ends = (n: number) => ({ ...QWEN2, eos_token_id: new Array<number>(n).fill(1) });
    expect(parseModelConfig(ends(1024), 'c').eosTokenIds).toHaveLength(1024);
    expect(() => parseModelConfig(ends(1025), 'c')).toThrow(/1,025 end tokens are above/);
  });

  it.each([
    ['model_type', 'mistral'],
    ['rms_norm_eps', 2],
    ['rms_norm_eps', 0],
    ['rope_theta', -1],
    ['tie_word_embeddings', 'true'],
    ['attention_bias', 'no'],
    ['use_sliding_window', 1],
    ['eos_token_id', 'two'],
    ['bos_token_id', -1],
    ['num_hidden_layers', 1.5],
  ])('%s: %j is refused', (key, value) => {
    expect(() => parseModelConfig({ ...QWEN2, [key]: value }, 'c')).toThrow(key);
  });
});

describe('JSON as Python writes it', () => {
  const withText = (text: string) => encode(`{\n  ${text},${JSON.stringify(LLAMA).slice(1)}`);
  const parse = (text: string) => readModelConfig(readJson(withText(text), 'm/config.json'), 'm/config.json');

  it('is read where a key is harmless', () => {
    for (const text of ['"time_step_limit": [0.0, Infinity]', '"length_penalty": NaN', '"temperature": -Infinity']) {
      expect(parse(text)).toEqual(parseModelConfig(LLAMA, 'c'));
    }
  });

  it.each(['Infinity', 'NaN', '-Infinity', '1e999'])('%s elsewhere is refused with file and line', (number) => {
    const { rms_norm_eps: _, ...rest } = LLAMA;
    const text = `{\n"rms_norm_eps": ${number},\n${JSON.stringify(rest).slice(1)}`;
    const read = () => readModelConfig(readJson(encode(text), 'm/config.json'), 'm/config.json');
    expect(read).toThrow(`m/config.json: line 2: ${number} in "rms_norm_eps" is not a finite number`);
    const nest = () => parse(`"rope_parameters": {"rope_theta": ${number}}`);
    expect(nest).toThrow(/line 2: .* in "rope_parameters\.rope_theta"/);
    expect(() => parse(`"scale_emb": ${number}`)).toThrow(/"scale_emb"/);
  });

  it.each([
    ['', /is not JSON: it is empty/],
    ['<!doctype html>', /a web page/],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:1', /Git LFS/],
    ['a,b,c\n1,2,3\n', /a table \(CSV\)/],
    ['"a","b"\n"1","2"\n', /a table \(CSV\)/],
    ['[1, 2]', /not a JSON object: it holds a list/],
    ['null', /it holds null/],
    ['"text"', /it holds a string/],
    ['{"a": 1}\n{"a": 2}', /line 2, column 1: after the end/],
    ['{"a": 1,}', /line 1, column 9: a key in double quotes/],
    ["{'a': 1}", /a key in double quotes/],
    ['{"a": tru}', /"tru" is no value/],
    ['{"a": 01}', /"01" is no value/],
    ['{"a": "b', /no closing quote/],
    ['{"a": "b\nc"}', /a line break/],
    ['{"a"', /":" is expected/],
    ['{"a": [1, 2', /"," or "]" is expected/],
    ['{"a": 1, "a": 2}', /"a" stands there twice/],
    ['{"a": ' + '['.repeat(100), /levels of JSON/],
  ])('says of %j what it is', (text, message) => {
    const read = () => readModelConfig(readJson(encode(text), 'm/config.json'), 'm/config.json');
    expect(read).toThrow(message);
    expect(read).toThrow(ConfigError);
  });

  it('bounds bytes and depth', () => {
    const nested = (depth: number) => encode('['.repeat(depth) + ']'.repeat(depth));
    expect(readJson(nested(MODEL_LIMITS.jsonDepth.max), 'f').value).toHaveLength(1);
    expect(() => readJson(nested(MODEL_LIMITS.jsonDepth.max + 1), 'f')).toThrow(/above the limit of 64/);
    const long = new Uint8Array(MODEL_LIMITS.jsonBytes.max + 1).fill(0x20);
    long[0] = 0x31;
    expect(readJson(long.subarray(0, MODEL_LIMITS.jsonBytes.max), 'f').value).toBe(1);
    expect(() => readJson(long, 'f')).toThrow(/bytes of JSON are above/);
    expect(() => readJson(Uint8Array.of(0x22, 0xe9, 0x22), 'f')).toThrow(/not UTF-8/);
  });

  it('reads what JSON.parse reads', () => {
    const text = '{"a":[1,-2.5e-3,true,false,null,"\\u00e9\\"\\\\",{}],"b":{"__proto__":1},"":[]}';
    expect(readJson(encode(text), 'f').value).toEqual(JSON.parse(text));
  });
});

describe('adapter_config.json', () => {
  const CONFIG = {
    peft_type: 'LORA',
    r: 4,
    lora_alpha: 8,
    target_modules: ['q_proj'],
    bias: 'none',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'x/y',
  };
  const plain = parseAdapterConfig(CONFIG, 'a');

  it.each([
    { init_lora_weights: true },
    { init_lora_weights: false },
    { init_lora_weights: 'gaussian' },
    { init_lora_weights: 'orthogonal' },
    { init_lora_weights: 'eva', eva_config: { rho: 2, tau: 0.99 }, rank_pattern: {} },
    { init_lora_weights: 'mica' },
    { kasa_config: null, monteclora_config: null, velora_config: null, use_bdlora: null, arrow_config: null },
    { eva_config: null, corda_config: null, loftq_config: {}, megatron_core: 'megatron.core', lora_dropout: 0.1 },
    { layer_replication: null, layers_to_transform: null, layers_pattern: null, use_dora: false, use_qalora: false },
    { trainable_token_indices: null, target_parameters: null, exclude_modules: null, qalora_group_size: 16 },
    { rank_pattern: {}, alpha_pattern: {}, modules_to_save: null, peft_version: '0.18.0', inference_mode: true },
  ])('%j changes nothing', (parts) => expect(parseAdapterConfig({ ...CONFIG, ...parts }, 'a')).toEqual(plain));

  it.each([
    ['init_lora_weights', 'lora_ga'],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 'pissa_niter_16'],
    ['init_lora_weights', 'olora'],
    ['init_lora_weights', 'corda'],
    ['init_lora_weights', 'loftq'],
    ['init_lora_weights', 'something_new'],
    ['layer_replication', [[0, 2]]],
    ['use_dora', true],
    ['use_qalora', true],
    ['use_bdlora', { x: 1 }],
    ['rank_pattern', { 'model.layers.0.self_attn.q_proj': 3 }],
    ['kasa_config', { beta: 1e-4 }],
    ['monteclora_config', { num_samples: 4 }],
    ['velora_config', { num_groups: 2 }],
    ['use_something_new', true],
    ['use_something_new', false],
    ['lora_bias', true],
    ['trainable_token_indices', [1]],
    ['target_parameters', ['x']],
    ['exclude_modules', ['x']],
    ['layers_to_transform', [0]],
    ['layers_to_transform', 0],
    ['rank_pattern', { q_proj: 2 }],
    ['modules_to_save', ['lm_head']],
    ['alora_invocation_tokens', [1]],
    ['arrow_config', { k: 1 }],
    ['task_type', 'SEQ_CLS'],
    ['bias', 'lora_only'],
    ['lora_alpha', '8'],
    ['lora_alpha', NaN],
    ['lora_alpha', null],
    ['r', null],
    ['bias', null],
    ['r', '4'],
    ['r', 0],
    ['r', MODEL_LIMITS.rank.max + 1],
    ['use_rslora', 'true'],
    ['peft_type', 'LOHA'],
  ])('%s: %j is refused', (key, value) => {
    const parse = () => parseAdapterConfig({ ...CONFIG, [key]: value }, 'dir/adapter_config.json');
    expect(parse).toThrow(/^dir\/adapter_config\.json: /);
    expect(parse).toThrow(key === 'r' && typeof value === 'number' ? /rank/ : key === 'lora_alpha' ? /alpha/ : key);
  });

  it('says of a number in quotes that it is text', () => {
    expect(() => parseAdapterConfig({ ...CONFIG, lora_alpha: '8' }, 'a')).toThrow(/"lora_alpha" is "8" \(text\)/);
    expect(parseAdapterConfig({ ...CONFIG, r: MODEL_LIMITS.rank.max }, 'a').rank).toBe(4096);
  });

  it('refuses whatever a known key becomes by one letter', () => {
    const known = [...ADAPTER_KEYS, ...Object.keys(HARMLESS_ADAPTER_KEYS)];
    for (const key of known) {
      for (const other of [`${key}s`, key.slice(1), key.slice(0, -1)]) {
        if (known.includes(other) || other === '') continue;
        expect(() => parseAdapterConfig({ ...CONFIG, [other]: null }, 'a'), other).toThrow(other);
      }
    }
  });
});
