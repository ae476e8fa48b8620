/**
 * Keys of config.json and adapter_config.json that do not change what a model computes here, each with its source. What is read and
 * what is on these lists passes; every other key is refused by name.
 *
 * Paths are of github.com/huggingface/transformers (src/transformers) and github.com/huggingface/peft (src/peft). Read for this list:
 * peft at 5d602fdbf (layer.py: update_layer, and every field of LoraConfig), configuration_utils.py of transformers at 008e574391, and
 * nanotron's src/nanotron/config/models_config.py at 025f31413.
 */

/** Why a key changes nothing. */
export interface Harmless {
  /** File and attribute that show it. */
  source: string;
  /** The values that change nothing; every value when absent. */
  only?: readonly unknown[];
}

const CONFIG = 'configuration_utils.py: PretrainedConfig';
const GENERATION = 'generation/configuration_utils.py: GenerationConfig; sampling is set by the lab';
const LABELS = `${CONFIG}, for classifiers and their heads`;
const OUTPUTS = `${CONFIG}, which results a call returns`;
const LLAMA = 'models/llama/configuration_llama.py: LlamaConfig';
const QWEN2 = 'models/qwen2/configuration_qwen2.py: Qwen2Config';

function all(source: string, ...keys: string[]): Record<string, Harmless> {
  return Object.fromEntries(keys.map((key) => [key, { source }]));
}

function when(source: string, only: readonly unknown[], ...keys: string[]): Record<string, Harmless> {
  return Object.fromEntries(keys.map((key) => [key, { source, only }]));
}

/** Of config.json. */
export const HARMLESS_MODEL_KEYS: Readonly<Record<string, Harmless>> = {
  // Where the file comes from.
  ...all(`${CONFIG}, name of the folder`, '_name_or_path', 'name_or_path'),
  ...all(`${CONFIG}, where it was fetched`, '_commit_hash'),
  ...all(`${CONFIG}, version that wrote the file`, 'transformers_version'),
  ...all('unslothai/unsloth, unsloth/models/_utils.py, a mark on copies', 'unsloth_fixed', 'unsloth_version'),
  ...all('huggingface/transformers.js, src/configs.js: TransformersJSConfig, for ONNX', 'transformers.js_config'),
  // How it is stored and executed: each tensor names its own type, and the lab chooses how it computes.
  ...all(`${CONFIG}, type that the weights are loaded as`, 'torch_dtype', 'dtype'),
  ...all(
    `${CONFIG}, which kernel computes the same attention`,
    '_attn_implementation',
    '_attn_implementation_autoset',
    '_attn_implementation_internal',
    'attn_implementation',
  ),
  ...all(`${LLAMA}.use_cache, whether keys and values are kept`, 'use_cache'),
  ...all(`${CONFIG}, TorchScript and TensorFlow only`, 'torchscript', 'use_bfloat16', 'tf_legacy_loss'),
  ...when(`${CONFIG}, splits the MLP; 0 does not`, [0], 'chunk_size_feed_forward'),
  ...when(`${LLAMA}.pretraining_tp, splits products; 1 does not`, [1], 'pretraining_tp'),
  // Training alone.
  ...all(`${LLAMA}.initializer_range, weights before training`, 'initializer_range'),
  ...all(`${LLAMA}.attention_dropout, off outside training`, 'attention_dropout'),
  // Token ids that the decoder does not use; texts are made by the tokenizer.
  ...all(
    `${CONFIG}, ids for padding and other models`,
    'pad_token_id',
    'unk_token_id',
    'sep_token_id',
    'cls_token_id',
    'mask_token_id',
    'decoder_start_token_id',
  ),
  ...all(`${CONFIG}, the tokenizer's own files are read`, 'tokenizer_class', 'prefix'),
  ...all(
    'lm-sys/FastChat and LLaMA-Factory, lengths of training; not read by LlamaModel',
    'max_sequence_length',
    'tokenizer_model_max_length',
    'tokenizer_padding_side',
  ),
  // What a call returns.
  ...all(OUTPUTS, 'output_attentions', 'output_hidden_states', 'return_dict', 'use_return_dict'),
  ...all(LABELS, 'problem_type', 'id2label', 'label2id', 'num_labels', 'finetuning_task', 'task_specific_params'),
  // Sampling, which older versions kept here.
  ...all(
    GENERATION,
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
    'bad_words_ids',
    'num_return_sequences',
    'num_beams',
    'num_beam_groups',
    'diversity_penalty',
    'early_stopping',
    'output_scores',
    'return_dict_in_generate',
    'forced_bos_token_id',
    'forced_eos_token_id',
    'remove_invalid_values',
    'exponential_decay_length_penalty',
    'suppress_tokens',
    'begin_suppress_tokens',
  ),
  // Other architectures than a decoder; the neutral value alone.
  ...when(`${CONFIG}, no encoder`, [false], 'is_encoder_decoder', 'add_cross_attention', 'tie_encoder_decoder'),
  ...when(`${CONFIG}, LlamaModel is a decoder either way`, [true, false], 'is_decoder'),
  ...when(`${CONFIG}, no cross-attention`, [null], 'cross_attention_hidden_size'),
  ...when(`${CONFIG}, heads that were cut off`, [{}, null], 'pruned_heads'),
  ...all('models/mamba2/configuration_mamba2.py: Mamba2Config.time_step_limit, state-space layers', 'time_step_limit'),
  // Keys that change numbers unless they have this value.
  ...all(`${QWEN2}.max_window_layers, with use_sliding_window alone, which is read`, 'max_window_layers'),
  ...when('Qwen2-VL, models/qwen2_vl: positions of pictures', [false, null], 'use_mrope'),
  ...when('nanotron, config/models_config.py: a Llama of its own code', [true], 'is_llama_config'),
  ...when('nanotron, config/models_config.py: pairs of RoPE side by side', [false, null], 'rope_interleaved'),
  ...when('models/gpt_neox: share of a head that RoPE turns', [1, null], 'rotary_pct'),
  ...when('models/granite: GraniteConfig, factors', [1, null], 'embedding_multiplier', 'residual_multiplier'),
  ...when('models/granite: GraniteConfig, a factor in place of 1/√head_dim', [null], 'attention_multiplier'),
  ...when('models/granite: GraniteConfig, divisor of the logits', [1, null], 'logits_scaling'),
  ...when('openbmb/MiniCPM, configuration_minicpm.py, factor of the embedding', [1, null], 'scale_emb'),
  ...when('models/gemma2: Gemma2Config', [null], 'final_logit_softcapping', 'attn_logit_softcapping'),
  ...when('models/smollm3: SmolLM3Config, layers without RoPE', [null], 'no_rope_layers', 'no_rope_layer_interval'),
};

const LORA = 'tuners/lora/config.py: LoraConfig';
/**
 * PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA change the base as well (layer.py: `get_base_layer().weight.data = …`); these set A and B alone.
 * EVA gives layers ranks of their own, which then stand in rank_pattern. MiCA's forward pass is plain LoRA (variants.py).
 */
const INITS = [true, false, null, 'gaussian', 'orthogonal', 'eva', 'mica'];

/** Of adapter_config.json. */
export const HARMLESS_ADAPTER_KEYS: Readonly<Record<string, Harmless>> = {
  ...all(
    'config.py: PeftConfig, names for people',
    'base_model_name_or_path',
    'revision',
    'auto_mapping',
    'peft_version',
  ),
  ...all('config.py: PeftConfig.inference_mode, whether weights are frozen', 'inference_mode'),
  ...when('utils/peft_types.py: TaskType, what is generated', ['CAUSAL_LM', 'SEQ_CLS', null], 'task_type'),
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
    name: /^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.(inv_freq|original_inv_freq|cos_cached|sin_cached)$/,
    source: 'models/llama/modeling_llama.py: LlamaPreTrainedModel._keys_to_ignore_on_load_unexpected',
  },
  {
    name: /^model\.layers\.\d+\.self_attn\.masked_bias$/,
    source: 'modeling_utils.py: PreTrainedModel._keys_to_ignore_on_load_unexpected, a constant of masks',
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
