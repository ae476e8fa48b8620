/** A run's model on this machine, as far as it is known before an engine is made. */
import { checkedOptions } from '../../src/lab/setup/parts';
import type { Tokenizer } from '../../src/lab/setup/parts';
import type { EngineOptions } from '../../src/engine/types';
import type { Task } from '../../src/tasks/types';
import { measuredProblems } from '../../src/tasks/dialect';
import type { EngineChoice } from './args';
import { deviceArithmetic } from './device';
import { openModel, type OpenedModel } from './session';
import type { Settings } from './settings';
import { openTokenizer } from './tokenizer';

/** Rows decoded together at most. */
const MOST_ROWS = 256;

/** @throws what opening a model and its tokenizer throw, and `checkedOptions` where the model cannot play the task */
export async function prepareModel(
  { config, folder, data }: Settings,
  task: Task,
  wanted: EngineChoice,
): Promise<{ model: OpenedModel; tokenizer: Tokenizer; options: EngineOptions }> {
  const model = await openModel(folder, config.ignoreConfig);
  const tokenizer = await openTokenizer(model.dir);
  const measured = measuredProblems(task, config.seed, data);
  const arithmetic = await deviceArithmetic(wanted);
  const parts = { task, measured, model: model.config, tokenizer, mostRows: MOST_ROWS, arithmetic };
  return { model, tokenizer, options: await checkedOptions(config, parts, folder) };
}
