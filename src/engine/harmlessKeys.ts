/**
 * Keys of config.json and adapter_config.json that do not change what a model computes here, each with its source. What is read and
 * what is on these lists passes; every other key is refused by name. A key that no source shows to be harmless is not on them.
 *
 * Paths are of github.com/huggingface/transformers (src/transformers) and github.com/huggingface/peft (src/peft), unless a repository
 * is named. They were read at these commits: configuration_utils.py at 008e574391 (version 5) and at 49170ba2c1 of ROCm/transformers
 * (version 4), generation/configuration_utils.py at 008f5c8c29, models/llama/modeling_llama.py at 002272831f, the configurations of
 * llama, qwen2, smollm3 and gemma2 at 008e574391, of granite at 90f2781aaf, of mamba2 at 0527db30f4, peft at 5d602fdbf (layer.py:
 * update_layer, and every field of LoraConfig), and nanotron's src/nanotron/config/models_config.py at 025f31413.
 */

/** Why a key changes nothing. */
export interface Harmless {
  /** File and attribute that show it. */
  source: string;
  /** The values that change nothing; every value when absent. */
  only?: readonly unknown[];
}

const CONFIG = 'configuration_utils.py: PreTrainedConfig';
const VERSION_4 = 'configuration_utils.py of version 4: PretrainedConfig';
const GENERATION = 'generation/configuration_utils.py: GenerationConfig';
const SAMPLING = `${GENERATION}, settings of sampling, which the lab sets itself`;
const FORCED = `${GENERATION}, no tokens that are forced or never sampled`;
const LABELS = `${CONFIG}, "Parameters for fine-tuning tasks": classifiers and their heads`;
const OUTPUTS = `${CONFIG}, which results a call returns`;
const TOKENS = 'tokenization_utils_base.py: SpecialTokensMixin, ids of the tokenizer; no decoder reads them';
const LLAMA = 'models/llama/configuration_llama.py: LlamaConfig';
const LLAMA_MODEL = 'models/llama/modeling_llama.py';
const QWEN2 = 'models/qwen2/configuration_qwen2.py: Qwen2Config';
const GRANITE = 'models/granite/configuration_granite.py: GraniteConfig';
const GEMMA = 'models/gemma2/configuration_gemma2.py: Gemma2Config';

function all(source: string, ...keys: string[]): Record<string, Harmless> {
  return Object.fromEntries(keys.map((key) => [key, { source }]));
}

function when(source: string, only: readonly unknown[], ...keys: string[]): Record<string, Harmless> {
  return Object.fromEntries(keys.map((key) => [key, { source, only }]));
}

/** Of config.json. */
export const HARMLESS_MODEL_KEYS: Readonly<Record<string, Harmless>> = {
  // Where the file comes from.
  ...all(`${CONFIG}.name_or_path, where it was loaded from`, '_name_or_path', 'name_or_path'),
  ...all(`${CONFIG}._commit_hash, where it was loaded from`, '_commit_hash'),
  ...all(`${CONFIG}.transformers_version, what wrote the file`, 'transformers_version'),
  ...all('github.com/unslothai/unsloth, unsloth/models/llama.py: model.config.update, its version', 'unsloth_version'),
  ...when('github.com/unslothai/unsloth: a mark on copies with another padding token', [true, false], 'unsloth_fixed'),
  ...all(
    'github.com/huggingface/transformers.js, src/configs.js: TransformersJSConfig, ONNX',
    'transformers.js_config',
  ),
  // How it is stored and executed: each tensor names its own type, and the lab chooses how it computes.
  ...all(`${CONFIG}.dtype, type that the weights are loaded as`, 'torch_dtype', 'dtype'),
  ...all(
    `${CONFIG}._attn_implementation, which kernel computes the same attention`,
    '_attn_implementation',
    '_attn_implementation_autoset',
    '_attn_implementation_internal',
    'attn_implementation',
  ),
  ...all(`${LLAMA}.use_cache, whether keys and values are kept`, 'use_cache'),
  ...all(`${VERSION_4}.torchscript, how a call returns results`, 'torchscript'),
  ...all(`${VERSION_4}, "TensorFlow specific parameters"`, 'use_bfloat16', 'tf_legacy_loss'),
  ...when(`${CONFIG}.chunk_size_feed_forward, "A chunk size of 0 means … not chunked"`, [0], 'chunk_size_feed_forward'),
  ...when(`${LLAMA_MODEL}: LlamaMLP.forward splits products where it is above 1`, [1], 'pretraining_tp'),
  // Training alone.
  ...all(`${LLAMA}.initializer_range, weights before training`, 'initializer_range'),
  ...when(
    `${LLAMA_MODEL}: LlamaAttention, chance of leaving out weights in training; 0 is none`,
    [0],
    'attention_dropout',
  ),
  // Token ids that the decoder does not use; texts are made by the tokenizer.
  ...all(`${LLAMA_MODEL}: LlamaModel.padding_idx, which row is never trained`, 'pad_token_id'),
  ...all(TOKENS, 'unk_token_id', 'sep_token_id', 'cls_token_id', 'mask_token_id'),
  ...all(`${GENERATION}, "exclusive to encoder-decoder models"`, 'decoder_start_token_id'),
  ...all(`${VERSION_4}.tokenizer_class, a class; the tokenizer's own files are read`, 'tokenizer_class'),
  ...when(`${VERSION_4}.prefix, text "at the beginning of each text"; none`, [null, ''], 'prefix'),
  ...all(
    'github.com/haotian-liu/LLaVA, llava/train/train.py: what its tokenizer did in training',
    'tokenizer_model_max_length',
    'tokenizer_padding_side',
  ),
  // What a call returns.
  ...all(OUTPUTS, 'output_attentions', 'output_hidden_states', 'return_dict', 'use_return_dict'),
  ...all(LABELS, 'problem_type', 'id2label', 'label2id', 'num_labels', 'finetuning_task'),
  ...when(`${VERSION_4}.task_specific_params, other settings for a task; none`, [null, {}], 'task_specific_params'),
  // Sampling, which older versions kept here.
  ...all(
    SAMPLING,
    'max_length',
    'min_length',
    'max_new_tokens',
    'do_sample',
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
    'repetition_penalty',
    'length_penalty',
    'no_repeat_ngram_size',
    'encoder_no_repeat_ngram_size',
    'num_return_sequences',
    'num_beams',
    'num_beam_groups',
    'diversity_penalty',
    'early_stopping',
    'output_scores',
    'return_dict_in_generate',
    'remove_invalid_values',
  ),
  ...when(
    FORCED,
    [null],
    'bad_words_ids',
    'forced_bos_token_id',
    'forced_eos_token_id',
    'exponential_decay_length_penalty',
    'suppress_tokens',
    'begin_suppress_tokens',
  ),
  // Other architectures than a decoder; the neutral value alone.
  ...when(`${VERSION_4}, no encoder`, [false], 'is_encoder_decoder', 'add_cross_attention', 'tie_encoder_decoder'),
  ...when(`${LLAMA_MODEL}: LlamaAttention.is_causal is true either way`, [true, false], 'is_decoder'),
  ...when(`${VERSION_4}, no cross-attention`, [null], 'cross_attention_hidden_size'),
  ...when(`${VERSION_4}.prune_heads, none`, [{}, null], 'pruned_heads'),
  ...all('models/mamba2/configuration_mamba2.py: Mamba2Config, state-space layers', 'time_step_limit'),
  // Keys that change numbers unless they have this value.
  ...all(`${QWEN2}.max_window_layers, with use_sliding_window alone, which is read`, 'max_window_layers'),
  ...when('Qwen2.5-0.5B writes it (tests/engine/configs); positions of pictures; none', [false], 'use_mrope'),
  ...when('github.com/huggingface/nanotron, config/models_config.py: a Llama', [true], 'is_llama_config'),
  ...when('github.com/huggingface/nanotron, config/models_config.py: halves, not pairs', [false], 'rope_interleaved'),
  ...when('models/gpt_neox/configuration_gpt_neox.py: share of a head that RoPE turns', [1], 'rotary_pct'),
  ...when(`${GRANITE}, factors of the embedding and of each block`, [1], 'embedding_multiplier', 'residual_multiplier'),
  ...when(`${GRANITE}.logits_scaling, "divisor for output logits"`, [1], 'logits_scaling'),
  ...when('openbmb/MiniCPM, configuration_minicpm.py: factor of the embedding', [1], 'scale_emb'),
  ...when(`${GEMMA}, no capping of logits and scores`, [null], 'final_logit_softcapping', 'attn_logit_softcapping'),
};

const PEFT = 'peft/config.py: PeftConfig';
const LORA = 'peft/tuners/lora/config.py: LoraConfig';
/**
 * PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA change the base as well (layer.py: `get_base_layer().weight.data = …`); these set A and B alone.
 * EVA gives layers ranks of their own, which then stand in rank_pattern. MiCA's forward pass is plain LoRA (variants.py).
 */
const INITS = [true, false, null, 'gaussian', 'orthogonal', 'eva', 'mica'];

/** Of adapter_config.json. */
export const HARMLESS_ADAPTER_KEYS: Readonly<Record<string, Harmless>> = {
  ...all(`${PEFT}, names for people`, 'base_model_name_or_path', 'revision', 'auto_mapping', 'peft_version'),
  ...all(`${PEFT}.inference_mode, whether weights are frozen`, 'inference_mode'),
  ...when('peft/utils/peft_types.py: TaskType, what is generated', ['CAUSAL_LM', 'SEQ_CLS', null], 'task_type'),
  ...all(`${LORA}.lora_dropout, off outside training`, 'lora_dropout'),
  ...all(`${LORA}.megatron_core, name of a module for megatron_config`, 'megatron_core'),
  ...all(`${LORA}.layers_pattern, for layers_to_transform`, 'layers_pattern'),
  ...all(`${LORA}.qalora_group_size, for use_qalora`, 'qalora_group_size'),
  ...all(`${LORA}.eva_config, first weights of A alone`, 'eva_config'),
  ...when(`${LORA}.init_lora_weights, first weights of A and B alone`, INITS, 'init_lora_weights'),
  ...when(`${LORA}, no pattern`, [{}, null], 'rank_pattern', 'alpha_pattern', 'loftq_config', 'corda_config'),
  ...when(`${LORA}.lora_ga_config, changes the base at its start`, [{}, null], 'lora_ga_config'),
  ...when(`${LORA}, all layers and nothing else`, [[], null], 'exclude_modules', 'target_parameters'),
  ...when(`${LORA}.layers_to_transform, all layers`, [null], 'layers_to_transform'),
  ...when(`${LORA}.layer_replication, each layer once`, [null], 'layer_replication'),
  ...when(`${LORA}, no tokens`, [[], {}, null], 'trainable_token_indices', 'alora_invocation_tokens'),
  ...when(
    `${LORA}, not used`,
    [{}, null],
    'megatron_config',
    'arrow_config',
    'runtime_config',
    'kasa_config',
    'monteclora_config',
    'velora_config',
  ),
  ...when(
    `${LORA}, not used`,
    [false, null],
    'use_dora',
    'use_qalora',
    'use_bdlora',
    'lora_bias',
    'fan_in_fan_out',
    'ensure_weight_tying',
  ),
};

/** Of tensors: buffers that older versions wrote, which are computed from the configuration. */
export const HARMLESS_TENSORS: readonly { name: RegExp; source: string }[] = [
  {
    name: /^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/,
    source:
      'modeling_utils.py: has_inv_freq_buffers, "Old checkpoints may have keys for rotary_emb.inv_freq for each layer"',
  },
];

/** Whether a value of a key changes nothing. */
export function isHarmless({ only }: Harmless, value: unknown): boolean {
  return only === undefined || only.some((neutral) => exact(neutral) === exact(value));
}

/** JSON would write NaN as null. */
function exact(value: unknown): string {
  const word = (_key: string, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? { number: String(inner) } : inner;
  return JSON.stringify(value, word);
}
