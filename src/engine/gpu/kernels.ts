/**
 * Every compute kernel by name. A name is the file's name without `.wgsl`; the contract of a kernel stands on top of
 * its file.
 */

import type { AdapterDtype, CacheDtype, WeightDtype } from '../types';

// forward
import attentionForward from '../kernels/attention_forward.wgsl?raw';
import attentionForwardWide from '../kernels/attention_forward_wide.wgsl?raw';
import attentionMerge from '../kernels/attention_merge.wgsl?raw';
import cacheCopy from '../kernels/cache_copy.wgsl?raw';
import cacheStore from '../kernels/cache_store.wgsl?raw';
import decodePrepare from '../kernels/decode_prepare.wgsl?raw';
import embedTokens from '../kernels/embed_tokens.wgsl?raw';
import gatherRows from '../kernels/gather_rows.wgsl?raw';
import linearForwardPacked from '../kernels/linear_forward_packed.wgsl?raw';
import linearForward from '../kernels/linear_forward.wgsl?raw';
import linearForwardColumns from '../kernels/linear_forward_columns.wgsl?raw';
import linearForwardColumnsHalf from '../kernels/linear_forward_columns_half.wgsl?raw';
import linearForwardScalar from '../kernels/linear_forward_scalar.wgsl?raw';
import linearForwardTiled from '../kernels/linear_forward_tiled.wgsl?raw';
import linearForwardTiledHalf from '../kernels/linear_forward_tiled_half.wgsl?raw';
import loraShrink from '../kernels/lora_shrink.wgsl?raw';
import loraShrinkScalar from '../kernels/lora_shrink_scalar.wgsl?raw';
import loraShrinkWide from '../kernels/lora_shrink_wide.wgsl?raw';
import normShrink from '../kernels/norm_shrink.wgsl?raw';
import mixRows from '../kernels/mix_rows.wgsl?raw';
import rmsnormForward from '../kernels/rmsnorm_forward.wgsl?raw';
import rmsnormForwardWide from '../kernels/rmsnorm_forward_wide.wgsl?raw';
import ropeForward from '../kernels/rope_forward.wgsl?raw';
import ropeStore from '../kernels/rope_store.wgsl?raw';
import sampleScan from '../kernels/sample_scan.wgsl?raw';
import sampleTokens from '../kernels/sample_tokens.wgsl?raw';
import sampleTokensWide from '../kernels/sample_tokens_wide.wgsl?raw';
import sampleWeigh from '../kernels/sample_weigh.wgsl?raw';
import scoreTokens from '../kernels/score_tokens.wgsl?raw';
import swigluForward from '../kernels/swiglu_forward.wgsl?raw';

// frozen weights, and adapters as they are read
import adapterHalves from '../kernels/adapter_halves.wgsl?raw';
import adapterPeak from '../kernels/adapter_peak.wgsl?raw';
import quantise from '../kernels/quantise.wgsl?raw';
import unpackRows from '../kernels/unpack_rows.wgsl?raw';

// backward and optimiser
import adamw from '../kernels/adamw.wgsl?raw';
import attentionBackwardKeyValue from '../kernels/attention_backward_key_value.wgsl?raw';
import attentionBackwardKeyValueWide from '../kernels/attention_backward_key_value_wide.wgsl?raw';
import attentionBackwardQuery from '../kernels/attention_backward_query.wgsl?raw';
import attentionBackwardQueryWide from '../kernels/attention_backward_query_wide.wgsl?raw';
import attentionBackwardStats from '../kernels/attention_backward_stats.wgsl?raw';
import crossEntropy from '../kernels/cross_entropy.wgsl?raw';
import linearBackwardInput from '../kernels/linear_backward_input.wgsl?raw';
import linearBackwardInputPacked from '../kernels/linear_backward_input_packed.wgsl?raw';
import linearBackwardInputScalar from '../kernels/linear_backward_input_scalar.wgsl?raw';
import linearBackwardInputTiled from '../kernels/linear_backward_input_tiled.wgsl?raw';
import loraBackwardShrink from '../kernels/lora_backward_shrink.wgsl?raw';
import loraBackwardShrinkScalar from '../kernels/lora_backward_shrink_scalar.wgsl?raw';
import loraBackwardShrinkWide from '../kernels/lora_backward_shrink_wide.wgsl?raw';
import loraBackwardWeights from '../kernels/lora_backward_weights.wgsl?raw';
import loraBackwardWeightsScalar from '../kernels/lora_backward_weights_scalar.wgsl?raw';
import loraBackwardWeightsWide from '../kernels/lora_backward_weights_wide.wgsl?raw';
import rewardBackward from '../kernels/reward_backward.wgsl?raw';
import rewardBackwardHead from '../kernels/reward_backward_head.wgsl?raw';
import rmsnormBackward from '../kernels/rmsnorm_backward.wgsl?raw';
import rmsnormBackwardWide from '../kernels/rmsnorm_backward_wide.wgsl?raw';
import ropeBackward from '../kernels/rope_backward.wgsl?raw';
import scatterRows from '../kernels/scatter_rows.wgsl?raw';
import sumSplits from '../kernels/sum_splits.wgsl?raw';
import sumOfSquares from '../kernels/sum_of_squares.wgsl?raw';
import sumOfSquaresTotal from '../kernels/sum_of_squares_total.wgsl?raw';
import swigluBackward from '../kernels/swiglu_backward.wgsl?raw';
import trackLoss from '../kernels/track_loss.wgsl?raw';

// fragments
import adaptersF16 from '../kernels/fragments/adapters_f16.wgsl?raw';
import adaptersF32 from '../kernels/fragments/adapters_f32.wgsl?raw';
import along from '../kernels/fragments/along.wgsl?raw';
import attentionBackwardCommon from '../kernels/fragments/attention_backward_common.wgsl?raw';
import attentionBackwardTiles from '../kernels/fragments/attention_backward_tiles.wgsl?raw';
import cacheF16 from '../kernels/fragments/cache_f16.wgsl?raw';
import cacheF32 from '../kernels/fragments/cache_f32.wgsl?raw';
import columnsGroups from '../kernels/fragments/columns_groups.wgsl?raw';
import columnsHalfGroups from '../kernels/fragments/columns_half_groups.wgsl?raw';
import columnsSlices from '../kernels/fragments/columns_slices.wgsl?raw';
import columnsHalfSlices from '../kernels/fragments/columns_half_slices.wgsl?raw';
import finite from '../kernels/fragments/finite.wgsl?raw';
import half from '../kernels/fragments/half.wgsl?raw';
import halfPair from '../kernels/fragments/half_pair.wgsl?raw';
import lineScalar from '../kernels/fragments/line_scalar.wgsl?raw';
import lineVector from '../kernels/fragments/line_vector.wgsl?raw';
import linearBackwardCommon from '../kernels/fragments/linear_backward_common.wgsl?raw';
import linearColumns from '../kernels/fragments/linear_columns.wgsl?raw';
import linearCommon from '../kernels/fragments/linear_common.wgsl?raw';
import linearExpand from '../kernels/fragments/linear_expand.wgsl?raw';
import linearStoreSerial from '../kernels/fragments/linear_store_serial.wgsl?raw';
import linearStoreTiled from '../kernels/fragments/linear_store_tiled.wgsl?raw';
import loraBackwardShrinkCommon from '../kernels/fragments/lora_backward_shrink_common.wgsl?raw';
import loraBackwardWeightsCommon from '../kernels/fragments/lora_backward_weights_common.wgsl?raw';
import loraShrinkCommon from '../kernels/fragments/lora_shrink_common.wgsl?raw';
import outputsPlain from '../kernels/fragments/outputs_plain.wgsl?raw';
import outputsSwiglu from '../kernels/fragments/outputs_swiglu.wgsl?raw';
import rmsnormCommon from '../kernels/fragments/rmsnorm_common.wgsl?raw';
import sampling from '../kernels/fragments/sampling.wgsl?raw';
import samplingSettings from '../kernels/fragments/sampling_settings.wgsl?raw';
import segments from '../kernels/fragments/segments.wgsl?raw';
import shareGroups from '../kernels/fragments/share_groups.wgsl?raw';
import shareSlices from '../kernels/fragments/share_slices.wgsl?raw';
import slices from '../kernels/fragments/slices.wgsl?raw';
import slicedTile from '../kernels/fragments/sliced_tile.wgsl?raw';
import tiledPlain from '../kernels/fragments/tiled_outputs_plain.wgsl?raw';
import tiledSwiglu from '../kernels/fragments/tiled_outputs_swiglu.wgsl?raw';
import track from '../kernels/fragments/track.wgsl?raw';
import weightsF16 from '../kernels/fragments/weights_f16.wgsl?raw';
import weightsF32 from '../kernels/fragments/weights_f32.wgsl?raw';
import weightsInt4 from '../kernels/fragments/weights_int4.wgsl?raw';
import weightsInt8 from '../kernels/fragments/weights_int8.wgsl?raw';

export const KERNELS = {
  // forward
  attention_forward: attentionForward,
  attention_forward_wide: attentionForwardWide,
  attention_merge: attentionMerge,
  cache_copy: cacheCopy,
  cache_store: cacheStore,
  decode_prepare: decodePrepare,
  embed_tokens: embedTokens,
  gather_rows: gatherRows,
  linear_forward: linearForward,
  linear_forward_packed: linearForwardPacked,
  linear_forward_columns: linearForwardColumns,
  linear_forward_columns_half: linearForwardColumnsHalf,
  linear_forward_scalar: linearForwardScalar,
  linear_forward_tiled: linearForwardTiled,
  linear_forward_tiled_half: linearForwardTiledHalf,
  lora_shrink: loraShrink,
  lora_shrink_scalar: loraShrinkScalar,
  lora_shrink_wide: loraShrinkWide,
  mix_rows: mixRows,
  rmsnorm_forward: rmsnormForward,
  rmsnorm_forward_wide: rmsnormForwardWide,
  norm_shrink: normShrink,
  rope_forward: ropeForward,
  rope_store: ropeStore,
  sample_scan: sampleScan,
  sample_tokens: sampleTokens,
  sample_tokens_wide: sampleTokensWide,
  sample_weigh: sampleWeigh,
  score_tokens: scoreTokens,
  swiglu_forward: swigluForward,

  // frozen weights, and adapters as they are read
  adapter_halves: adapterHalves,
  adapter_peak: adapterPeak,
  quantise,
  unpack_rows: unpackRows,

  // backward and optimiser
  adamw,
  attention_backward_key_value: attentionBackwardKeyValue,
  attention_backward_key_value_wide: attentionBackwardKeyValueWide,
  attention_backward_query: attentionBackwardQuery,
  attention_backward_query_wide: attentionBackwardQueryWide,
  attention_backward_stats: attentionBackwardStats,
  cross_entropy: crossEntropy,
  linear_backward_input: linearBackwardInput,
  linear_backward_input_packed: linearBackwardInputPacked,
  linear_backward_input_scalar: linearBackwardInputScalar,
  linear_backward_input_tiled: linearBackwardInputTiled,
  lora_backward_shrink: loraBackwardShrink,
  lora_backward_shrink_scalar: loraBackwardShrinkScalar,
  lora_backward_shrink_wide: loraBackwardShrinkWide,
  lora_backward_weights: loraBackwardWeights,
  lora_backward_weights_scalar: loraBackwardWeightsScalar,
  lora_backward_weights_wide: loraBackwardWeightsWide,
  reward_backward: rewardBackward,
  reward_backward_head: rewardBackwardHead,
  rmsnorm_backward: rmsnormBackward,
  rmsnorm_backward_wide: rmsnormBackwardWide,
  rope_backward: ropeBackward,
  scatter_rows: scatterRows,
  sum_splits: sumSplits,
  sum_of_squares: sumOfSquares,
  sum_of_squares_total: sumOfSquaresTotal,
  swiglu_backward: swigluBackward,
  track_loss: trackLoss,
} as const satisfies Record<string, string>;

export type KernelName = keyof typeof KERNELS;

/** How frozen weights are read: what takes the place of `//@weights` in a kernel, by the constant FORMAT. */
const PACKED_FORMATS = {
  f32: weightsF32,
  f16: weightsF16,
  int8: weightsInt8,
  int4: weightsInt4,
} as const satisfies Record<WeightDtype, string>;

/** How keys and values are read and stored: what takes the place of `//@cache` in a kernel, by the constant CACHE. */
const CACHE_FORMATS = { f32: cacheF32, f16: cacheF16 } as const satisfies Record<CacheDtype, string>;

/** How adapters are read: what takes the place of `//@adapters` in a kernel, by the constant ADAPTERS. */
const ADAPTER_FORMATS = { f32: adaptersF32, f16: adaptersF16 } as const satisfies Record<AdapterDtype, string>;

/** Lines `//@name` whose text depends on a constant of the kernel: the constant's name, and the text by its value. */
export const VARIANTS: Readonly<Record<string, { constant: string; texts: Readonly<Record<string, string>> }>> = {
  weights: { constant: 'FORMAT', texts: PACKED_FORMATS },
  cache: { constant: 'CACHE', texts: CACHE_FORMATS },
  adapters: { constant: 'ADAPTERS', texts: ADAPTER_FORMATS },
  line: { constant: 'LINE', texts: { scalar: lineScalar, vector: lineVector } },
  outputs: { constant: 'OUTPUTS', texts: { plain: outputsPlain, swiglu: outputsSwiglu } },
  columns: { constant: 'SHARE', texts: { slices: columnsSlices, groups: columnsGroups } },
  columns_half: { constant: 'SHARE', texts: { slices: columnsHalfSlices, groups: columnsHalfGroups } },
  share: { constant: 'SHARE', texts: { slices: shareSlices, groups: shareGroups } },
  tiled_outputs: { constant: 'OUTPUTS', texts: { plain: tiledPlain, swiglu: tiledSwiglu } },
};

/**
 * Text that several kernels share, by its file's name without `.wgsl`: what takes the place of the line `//@name` in them.
 * What a fragment brings and asks of the kernel stands on top of its file. A fragment may take another.
 */
export const FRAGMENTS: Readonly<Record<string, string>> = {
  along,
  attention_backward_common: attentionBackwardCommon,
  attention_backward_tiles: attentionBackwardTiles,
  finite,
  half,
  half_pair: halfPair,
  linear_backward_common: linearBackwardCommon,
  linear_columns: linearColumns,
  linear_common: linearCommon,
  linear_expand: linearExpand,
  linear_store_serial: linearStoreSerial,
  linear_store_tiled: linearStoreTiled,
  lora_backward_shrink_common: loraBackwardShrinkCommon,
  lora_backward_weights_common: loraBackwardWeightsCommon,
  lora_shrink_common: loraShrinkCommon,
  rmsnorm_common: rmsnormCommon,
  sampling,
  sampling_settings: samplingSettings,
  segments,
  sliced_tile: slicedTile,
  slices,
  track,
};
