/** A run's model on this machine, as far as it is known before an engine is made. */
import { checkedOptions, secondParts, type SecondParts, type Tokenizer } from '../../src/lab/setup/parts';
import { folderSource } from '../../src/engine/loader-node';
import { PairedEngine } from '../../src/engine/paired';
import { secondModelOf } from '../../src/recipes/secondModel';
import type { Engine, EngineOptions } from '../../src/engine/types';
import type { Task } from '../../src/tasks/types';
import { measuredProblems } from '../../src/tasks/dialect';
import type { EngineChoice } from './args';
import { deviceArithmetic } from './device';
import type { Output } from './output';
import { hashOf, openEngine, openModel, type OpenedModel } from './session';
import { modelFolder, type Settings } from './settings';
import { openTokenizer } from './tokenizer';

/** Rows decoded together at most. */
const MOST_ROWS = 256;

/** A run's model without its engine. */
export interface Prepared {
  model: OpenedModel;
  tokenizer: Tokenizer;
  options: EngineOptions;
  /** A second base model, where the run's recipe has one. */
  second: (Pick<SecondParts, 'options' | 'adapters'> & { model: OpenedModel }) | null;
}

/**
 * @param option that says where the run's model lies, for the error of a folder that is not there
 * @throws what opening a model and its tokenizer throw, and `checkedOptions` where the model cannot play the task
 */
export async function prepareModel(
  { config, folder, secondFolder, data }: Settings,
  task: Task,
  wanted: EngineChoice,
  option = '--set model=DIR',
): Promise<Prepared> {
  const model = await openModel(folder, config.ignoreConfig, option);
  const tokenizer = await openTokenizer(model.dir);
  const measured = measuredProblems(task, config.seed, data);
  const arithmetic = await deviceArithmetic(wanted);
  const parts = { task, measured, model: model.config, tokenizer, mostRows: MOST_ROWS, arithmetic };
  const options = await checkedOptions(config, parts, folder);
  const named = secondModelOf(config);
  if (!named) return { model, tokenizer, options, second: null };
  const other = await openModel(secondFolder ?? modelFolder(named.model), [], `--set ${named.key}=DIR`);
  const first = { model: model.config, source: folderSource(model.dir), options };
  const { adapters, options: its } = await secondParts(named, first, folderSource(other.dir));
  return { model, tokenizer, options, second: { model: other, options: its, adapters } };
}

/**
 * The engine of a run: of its model, and of the second one where there is one.
 * @returns with the hashes of both models' weights
 * @throws as `openEngine`
 */
export async function openRunEngine(
  { model, options, second }: Prepared,
  wanted: EngineChoice,
  output: Output,
): Promise<{ engine: Engine; hash: string; secondHash?: string }> {
  const engine = await openEngine(wanted, model, options, output);
  if (!second) return { engine, hash: await hashOf(model) };
  try {
    const same = { ...wanted, name: engine.info.kind };
    const other = await openEngine(same, second.model, second.options, output);
    const [hash, secondHash] = [await hashOf(model), await hashOf(second.model)];
    return { engine: new PairedEngine(engine, other, new Set(second.adapters)), hash, secondHash };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
