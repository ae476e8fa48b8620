/** Small helpers of the lab: what an engine must have room for, and errors as messages. */
import { cachedTokenBytes } from '../../engine/buffers';
import { cacheDtype, type TrainingSize } from '../../engine/plan';
import type { CacheDtype, EngineOptions, ModelConfig } from '../../engine/types';
import { asksFor } from '../../recipes/abilities';
import type { RunConfig } from '../../recipes/config';
import { recipeNamed } from '../../recipes';
import { speaksChat } from '../../recipes/resolve';
import { assumptionsOf, needOf } from '../../recipes/work';
import { longestChat } from '../../tasks/dialect';
import type { Problem, Task } from '../../tasks/types';
import type { EngineChoice } from '../types';

/** Bytes of keys and values at most, where prompts are long. */
const CHAT_CACHE = 2 ** 30;
/** Tokens that a training step in chat takes to the device at once, where examples are so short that it can choose. */
const TRAIN_TOKENS = 4096;
/** Rows decoded together at most. */
const MOST_ROWS = 128;

/** Of products with packed weights on a device. */
export type Arithmetic = 'f32' | 'f16';

/** Rows that a run asks for at once where there is room for them. */
export function wantedRows(config: RunConfig, most = MOST_ROWS): number {
  return Math.min(most, needOf(config).rows);
}

/**
 * What a run's engine must have room for: all of its adapters, and whole chunks of a debate in one batch; in chat also the longest
 * sequence that can be asked for, and then as many rows as have room for their keys and values.
 *
 * @param parts the run's task and the problems on which its prompts are measured (`measuredProblems`), the model and its tokenizer, and
 *   the arithmetic of packed weights where the device is known (`adapterTraits`): keys and values may then take half
 */
export async function engineOptions(
  config: RunConfig,
  parts: {
    task: Task;
    measured: readonly Problem[];
    model: ModelConfig;
    tokenizer: Parameters<typeof longestChat>[2];
    mostRows?: number;
    arithmetic?: Arithmetic | undefined;
  },
): Promise<EngineOptions & Required<Pick<EngineOptions, 'maxRows' | 'maxAdapters' | 'maxRank'>>> {
  const { task, measured, model, tokenizer, arithmetic = 'f32' } = parts;
  const need = needOf(config);
  const options = {
    maxRows: wantedRows(config, parts.mostRows),
    maxAdapters: need.adapters,
    maxRank: need.rank,
    ...(config.dtype && { dtype: config.dtype }),
    ...(config.cache && { cache: config.cache }),
  };
  if (task.dialect !== 'chat') return options;
  const maxLength = Math.min(
    model.maxPositions,
    await longestChat(task, measured, tokenizer, { ...need.quotes, maxTokens: config.sampling.maxTokens }),
  );
  const rows = chatRows(model, maxLength, cacheDtype(options, arithmetic));
  return { ...options, maxLength, maxRows: Math.min(options.maxRows, rows) };
}

/** Rows in chat whose keys and values have room, at least one. */
export function chatRows(model: ModelConfig, maxLength: number, cache: CacheDtype): number {
  return Math.max(1, Math.floor(CHAT_CACHE / (maxLength * cachedTokenBytes(model, cache))));
}

/** How `EngineRuntime` is to bound memory: chat's prompts are long, and their adapters learn in smaller parts. */
export function societyLimits(config: RunConfig, options: EngineOptions): { maxLength?: number; trainTokens?: number } {
  return {
    ...(options.maxLength !== undefined && { maxLength: options.maxLength }),
    ...(speaksChat(config) && { trainTokens: TRAIN_TOKENS }),
  };
}

function trainParts(config: RunConfig, tokens: number): number {
  if (!speaksChat(config)) return 1;
  return Math.min(config.finetune.batchSize, Math.max(1, Math.ceil(tokens / TRAIN_TOKENS)));
}

/**
 * The largest part of a training step that a run is expected to take to the device: a batch of every adapter, in chat as few
 * examples of each as `TRAIN_TOKENS` leave room for.
 */
export function trainingSize(config: RunConfig): TrainingSize {
  const { solvePrompt, revisePrompt, response } = assumptionsOf(config);
  const { solve, revise } = needOf(config).tracks;
  const { batchSize } = config.finetune;
  const each = solve * (solvePrompt + response) + revise * (revisePrompt + response);
  const examples = Math.ceil(batchSize / trainParts(config, batchSize * each));
  const tracks = solve + revise;
  return { tokens: examples * each, targets: examples * tracks * response, tracks };
}

/**
 * On which engine a run goes on: where nothing was chosen, on the kind that its log names, since another need not compute the same.
 * @param engine of the run's log, for people; '' before its first event
 */
export function resumedOn(engine: string, choice: EngineChoice): EngineChoice {
  if (choice !== 'auto') return choice;
  const kind = engine.split(':')[0];
  return kind === 'webgpu' || kind === 'exact' ? kind : 'auto';
}

/** The engine of a run: where nothing was chosen, the exact one for a run that needs what it alone gives. */
export function engineFor<Choice extends string>(config: RunConfig, choice: Choice): Choice | 'exact' {
  return choice === 'auto' && asksFor(recipeNamed(config.recipe), config, 'grams') ? 'exact' : choice;
}

/** An error as it is told to the page, which cannot receive classes. */
export function described(error: unknown): { name: string; message: string } {
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}
