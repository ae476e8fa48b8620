import { describe, expect, it } from 'vitest';
import { parseModelConfig, tensorShapes, withGenerationConfig } from '../../src/engine/config';
import { ConfigError } from '../../src/engine/errors';

/** Qwen2.5-0.5B's config.json. */
const QWEN2 = {
  architectures: ['Qwen2ForCausalLM'],
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151643,
  hidden_act: 'silu',
  hidden_size: 896,
  initializer_range: 0.02,
  intermediate_size: 4864,
  max_position_embeddings: 32768,
  max_window_layers: 24,
  model_type: 'qwen2',
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  sliding_window: 32768,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  use_sliding_window: false,
  vocab_size: 151936,
};

const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 2048,
  intermediate_size: 8192,
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  vocab_size: 128256,
  max_position_embeddings: 131072,
  eos_token_id: [128001, 128008, 128009],
  bos_token_id: 128000,
  rope_theta: 500000.0,
  rope_scaling: {
    factor: 32.0,
    high_freq_factor: 4.0,
    low_freq_factor: 1.0,
    original_max_position_embeddings: 8192,
    rope_type: 'llama3',
  },
};

/** SmolLM2-135M-Instruct's config.json. */
const SMOL_LM_2 = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 576,
  initializer_range: 0.041666666666666664,
  intermediate_size: 1536,
  is_llama_config: true,
  max_position_embeddings: 8192,
  mlp_bias: false,
  model_type: 'llama',
  num_attention_heads: 9,
  num_hidden_layers: 30,
  num_key_value_heads: 3,
  pad_token_id: 2,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_interleaved: false,
  rope_scaling: null,
  rope_theta: 100000,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  'transformers.js_config': { kv_cache_dtype: { q4f16: 'float16', fp16: 'float16' } },
  use_cache: true,
  vocab_size: 49152,
};

/** TinyLlama-1.1B-Chat-v1.0's config.json. */
const TINY_LLAMA = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 5632,
  max_position_embeddings: 2048,
  model_type: 'llama',
  num_attention_heads: 32,
  num_hidden_layers: 22,
  num_key_value_heads: 4,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 10000.0,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
  vocab_size: 32000,
};

describe('parseModelConfig', () => {
  it('reads Qwen2.5 0.5B', () => {
    expect(parseModelConfig(QWEN2, 'config.json')).toEqual({
      modelType: 'qwen2',
      hiddenSize: 896,
      intermediateSize: 4864,
      numLayers: 24,
      numHeads: 14,
      numKvHeads: 2,
      headDim: 64,
      vocabSize: 151936,
      rmsNormEps: 1e-6,
      ropeTheta: 1e6,
      ropeScaling: null,
      qkvBias: true,
      qkNorm: false,
      tieWordEmbeddings: true,
      maxPositions: 32768,
      bosTokenId: 151643,
      eosTokenIds: [151643],
    });
  });

  it('reads Llama 3.2 with its RoPE scaling and several end tokens', () => {
    expect(parseModelConfig(LLAMA, 'config.json')).toMatchObject({
      headDim: 64,
      ropeTheta: 500000,
      ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 },
      tieWordEmbeddings: false,
      qkvBias: false,
      eosTokenIds: [128001, 128008, 128009],
    });
  });

  it('reads the same from rope_parameters, as transformers 5 writes it', () => {
    const { rope_theta, rope_scaling, ...rest } = LLAMA;
    const renewed = { ...rest, rope_parameters: { ...rope_scaling, rope_theta } };
    expect(parseModelConfig(renewed, 'config.json')).toEqual(parseModelConfig(LLAMA, 'config.json'));
    const plain = { ...QWEN2, rope_theta: undefined, rope_parameters: { rope_theta: 1e6, rope_type: 'default' } };
    expect(parseModelConfig(plain, 'config.json')).toEqual(parseModelConfig(QWEN2, 'config.json'));
  });

  it('reads Qwen3, whose head size is its own', () => {
    const qwen3 = { ...QWEN2, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', attention_bias: false };
    expect(parseModelConfig(qwen3, 'config.json')).toMatchObject({ headDim: 128, qkNorm: true, qkvBias: false });
    expect(parseModelConfig({ ...qwen3, head_dim: 64 }, 'config.json')).toMatchObject({ headDim: 64 });
  });

  it('reads SmolLM2 135M, whose nine heads share three', () => {
    expect(parseModelConfig(SMOL_LM_2, 'c')).toMatchObject({
      headDim: 64,
      numHeads: 9,
      numKvHeads: 3,
      ropeTheta: 100000,
      ropeScaling: null,
      qkvBias: false,
      tieWordEmbeddings: true,
      eosTokenIds: [2],
    });
  });

  it('reads TinyLlama, whose head is untied and whose head size goes unsaid', () => {
    const config = parseModelConfig(TINY_LLAMA, 'c');
    expect(config).toMatchObject({ headDim: 64, ropeTheta: 10000, maxPositions: 2048, tieWordEmbeddings: false });
    expect(tensorShapes(config).get('lm_head.weight')).toEqual([32000, 2048]);
  });

  it('reads switches that are off or null as not there', () => {
    const off = {
      attention_bias: false,
      mlp_bias: false,
      rope_scaling: null,
      head_dim: null,
      partial_rotary_factor: null,
      quantization_config: null,
      layer_types: new Array<string>(16).fill('full_attention'),
      sliding_window: null,
      use_sliding_window: true,
    };
    const { rope_scaling: _, ...plain } = LLAMA;
    expect(parseModelConfig({ ...plain, ...off }, 'c')).toEqual(parseModelConfig(plain, 'c'));
  });

  const refused: [string, object, RegExp][] = [
    ['another architecture', { architectures: ['GPT2LMHeadModel'] }, /architecture GPT2LMHeadModel is not supported/],
    ['an inherited property name', { architectures: ['toString'] }, /architecture toString is not supported/],
    ['no architecture', { architectures: undefined }, /no "architectures"/],
    ['a quantised checkpoint', { quantization_config: { quant_method: 'gptq' } }, /quantised checkpoint.*gptq/],
    ['one of MLX', { quantization: { group_size: 64, bits: 4 } }, /quantised checkpoint \(quantization/],
    ['a sliding window in use', { use_sliding_window: true }, /sliding window/],
    ['sliding layers', { layer_types: ['full_attention', 'sliding_attention'] }, /sliding_attention/],
    ['Gemma', { architectures: ['Gemma2ForCausalLM'] }, /Gemma2ForCausalLM is not supported \(known: LlamaForCausalLM/],
    ['Phi', { architectures: ['Phi3ForCausalLM'] }, /Phi3ForCausalLM is not supported/],
    ['Mistral', { architectures: ['MistralForCausalLM'] }, /MistralForCausalLM is not supported/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act "gelu"/],
    ['another RoPE type', { rope_scaling: { type: 'yarn', factor: 4 } }, /RoPE type "yarn"/],
    ['linear RoPE scaling', { rope_scaling: { type: 'linear', factor: 4 } }, /RoPE type "linear"/],
    ['llama3 scaling without a factor', { rope_scaling: { rope_type: 'llama3' } }, /no "factor"/],
    ['partial rotation', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    ['an MLP bias', { mlp_bias: true }, /mlp_bias/],
    ['a missing size', { vocab_size: undefined }, /no "vocab_size"/],
    ['a size that is no number', { hidden_size: '896' }, /"hidden_size" is "896"/],
    ['heads that do not divide', { num_key_value_heads: 3 }, /not a multiple/],
    ['an odd head size', { head_dim: 7 }, /head_dim 7 is odd/],
    ['a head size that is no whole number', { num_attention_heads: 15, num_key_value_heads: 3 }, /not a multiple/],
  ];
  it.each(refused)('refuses %s by name', (_, change, message) => {
    const parse = (): unknown => parseModelConfig({ ...QWEN2, ...change }, 'models/x/config.json');
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^models\/x\/config\.json: /);
  });

  it('refuses an attention bias on Llama and what is not an object', () => {
    expect(() => parseModelConfig({ ...LLAMA, attention_bias: true }, 'c')).toThrow(/attention_bias/);
    for (const json of [null, [], 'x', 3]) expect(() => parseModelConfig(json, 'c')).toThrow(/not a JSON object/);
  });
});

describe('withGenerationConfig', () => {
  it('adds the end tokens that config.json leaves out, its own first', () => {
    const config = parseModelConfig({ ...QWEN2, eos_token_id: 151645 }, 'c');
    const generation = { do_sample: true, pad_token_id: 151643, eos_token_id: [151645, 151643], top_k: 20 };
    expect(withGenerationConfig(config, generation, 'g').eosTokenIds).toEqual([151645, 151643]);
    expect(withGenerationConfig(config, { eos_token_id: 151643 }, 'g').eosTokenIds).toEqual([151645, 151643]);
  });

  it('leaves out ids above the vocabulary, and refuses what is no id', () => {
    const config = parseModelConfig(QWEN2, 'c');
    for (const json of [{}, { eos_token_id: null }, { eos_token_id: [151936] }, { temperature: 0.6, top_secret: 1 }]) {
      expect(withGenerationConfig(config, json, 'g')).toEqual(config);
    }
    for (const id of ['2', 1.5, -1, true, {}]) {
      expect(() => withGenerationConfig(config, { eos_token_id: id }, 'g')).toThrow(
        /g: "eos_token_id" holds .* not a token/,
      );
    }
    for (const json of [null, [], 'x']) {
      expect(() => withGenerationConfig(config, json, 'g')).toThrow(/g: is not a JSON object: it holds/);
    }
  });
});

describe('tensorShapes', () => {
  it('lists what each family has', () => {
    const llama = tensorShapes(parseModelConfig(LLAMA, 'c'));
    expect(llama.get('lm_head.weight')).toEqual([128256, 2048]);
    expect(llama.get('model.layers.15.self_attn.k_proj.weight')).toEqual([512, 2048]);
    const qwen2 = tensorShapes(parseModelConfig(QWEN2, 'c'));
    expect(qwen2.has('lm_head.weight')).toBe(false);
    expect(qwen2.get('model.layers.0.self_attn.v_proj.bias')).toEqual([128]);
    expect(qwen2.has('model.layers.0.self_attn.o_proj.bias')).toBe(false);
    expect(qwen2.get('model.layers.23.mlp.down_proj.weight')).toEqual([896, 4864]);
  });
});
