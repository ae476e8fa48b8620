/** What a model takes on the device, for people who have not decided yet. */
import { cacheDtype, engineRoom, LEAST_BINDING, onDevice, planModel, tooLargeFor } from '../../engine/plan';
import { WEIGHT_DTYPES, type EngineOptions, type ModelConfig, type WeightDtype } from '../../engine/types';
import { chatRows } from '../../lab/setup/engineOptions';
import { bytesText } from '../bytes';

/** A society of three with a single model beside it that debates ten problems at once; prompts and answers of some hundred tokens. */
const SOCIETY: EngineOptions = { maxAdapters: 7, maxRank: 8 };
const ROWS = 30;
const LENGTH = 1536;
/** One example of every adapter in a training step. */
const TRAINING = { tokens: 4096, targets: 2048, tracks: 7 };

export interface Need {
  dtype: WeightDtype;
  weights: number;
  /** With the caches, adapters and activations of a society that answers and learns. */
  total: number;
  /** Why a device whose buffers hold LEAST_BINDING refuses it; null when it does not. */
  refusal: string | null;
}

/**
 * Bytes in each format, smallest first; formats that cannot pack the model's widths are left out.
 * @param arithmetic of packed weights on the device, where it is known: keys, values and adapters go with it
 */
export function deviceNeeds(config: ModelConfig, arithmetic: 'f32' | 'f16' = 'f32'): Need[] {
  const needs: Need[] = [];
  for (const dtype of [...WEIGHT_DTYPES].reverse()) {
    try {
      const maxLength = Math.min(config.maxPositions, LENGTH);
      const cache = cacheDtype({ dtype }, arithmetic);
      const maxRows = Math.min(ROWS, chatRows(config, maxLength, cache));
      const options = onDevice({ ...SOCIETY, maxRows, maxLength, dtype }, arithmetic);
      const { weights, total } = planModel(config, options, TRAINING);
      const refusal = tooLargeFor(LEAST_BINDING, config, engineRoom(config, options));
      needs.push({ dtype, weights, total, refusal });
    } catch {
      // The width is no multiple of what the format packs.
    }
  }
  return needs;
}

/** What the smallest buffers of WebGPU allow, in a sentence. */
export function smallBuffersText(needs: readonly Need[]): string {
  const where = 'Where a buffer holds 128 MiB at most, as on some phones';
  const refused = needs.filter(({ refusal }) => refusal !== null).map(({ dtype }) => dtype);
  if (refused.length === 0) return `${where}, every format loads.`;
  if (refused.length === needs.length) return `${where}, the model does not load.`;
  const loads = needs.filter(({ refusal }) => refusal === null).map(({ dtype }) => dtype);
  return `${where}, ${loads.join(' and ')} ${loads.length === 1 ? 'loads' : 'load'}, and ${refused.join(' and ')} ${refused.length === 1 ? 'does' : 'do'} not.`;
}

/** Two digits: what is not known exactly does not look it. */
export function roughBytes(bytes: number): string {
  return bytesText(Number(bytes.toPrecision(2)));
}

/** "qwen2, 24 layers, width 896, 151,936 tokens" */
export function shapeText({ modelType, numLayers, hiddenSize, vocabSize }: ModelConfig): string {
  const layers = numLayers === 1 ? '1 layer' : `${numLayers} layers`;
  return `${modelType}, ${layers}, width ${hiddenSize}, ${vocabSize.toLocaleString('en')} tokens`;
}
