/** Models in the lab: what is known of one before its weights are loaded, its loading, and how it does on this device. */
import type { Remote } from 'comlink';
import type { FileSource } from '../engine/source';
import { readConfig } from '../engine/stream';
import type { EngineOptions, ModelConfig } from '../engine/types';
import { modelAddress, modelTitle } from '../models/address';
import type { ExperimentConfig } from '../recipes/config';
import { checkRoom } from '../recipes/room';
import type { ModelSocietyOptions } from '../recipes/modelSociety';
import { checkDialect } from '../tasks/dialect';
import { plainString } from '../tasks/textLines';
import type { EngineHostApi, LoadProgress } from './engineHost';
import { perplexity, PERPLEXITY_WINDOW } from './perplexity';
import type { readyTask } from './problems';
import { RemoteEngine } from './remoteEngine';
import { engineOptions, type Arithmetic } from './setup';
import type { ModelCheck, ModelCheckRequest } from './types';

export type Tokenizer = ModelSocietyOptions['tokenizer'];
export type ReadyTask = Awaited<ReturnType<typeof readyTask>>;

/** Where models come from. */
export interface ModelSources {
  /** Files of the model at an address (`openModel` in src/models). */
  openModel(address: string): Promise<FileSource>;
  loadTokenizer(source: FileSource): Promise<Tokenizer>;
}

/** A model as it is known without its weights. */
export interface ModelParts {
  /** See `openModel`. */
  address: string;
  /** Keys of config.json that are left out. */
  ignore: readonly string[];
  model: ModelConfig;
  tokenizer: Tokenizer;
  /** What its engine must have room for. */
  options: EngineOptions;
}

/**
 * Opens a run's model as far as it can be without its weights.
 *
 * @param base the page's address, below which served models are
 * @param arithmetic see `engineOptions`
 * @throws TaskError when the model cannot play the task, ConfigurationError when nothing has room in its context; what `openModel` and `loadTokenizer` throw
 */
export async function openParts(
  sources: ModelSources,
  base: string,
  config: ExperimentConfig,
  { task, measured }: ReadyTask,
  arithmetic?: Arithmetic,
): Promise<ModelParts> {
  const address = modelAddress(config.model, base);
  const source = await sources.openModel(address);
  const ignore = config.ignoreConfig ?? [];
  const [model, tokenizer] = await Promise.all([readConfig(source, { ignore }), sources.loadTokenizer(source)]);
  if (measured[0]) await checkDialect(task, measured[0], tokenizer, modelTitle(config.model));
  await checkRoom(config, task, tokenizer, model.maxPositions, modelTitle(config.model));
  const options = await engineOptions(config, { task, measured, model, tokenizer, arithmetic });
  return { address, ignore, model, tokenizer, options };
}

/** Loads a model as small as it can be for scoring, and says how it does. The engine keeps it until another is opened. */
export async function checkModel(
  sources: ModelSources,
  base: string,
  host: Remote<EngineHostApi>,
  { model, ignore = [], dtype, engine: choice, text }: ModelCheckRequest,
  onProgress: (progress: LoadProgress) => void,
): Promise<Omit<ModelCheck, 'engine'> & { engine: RemoteEngine }> {
  const address = modelAddress(model, base);
  // Before anything is loaded.
  const content = text === undefined ? undefined : plainString('the text', text);
  const source = await sources.openModel(address);
  const { maxPositions } = await readConfig(source, { ignore });
  const maxLength = Math.min(maxPositions, PERPLEXITY_WINDOW);
  const options: EngineOptions = { maxRows: 1, maxAdapters: 2, maxRank: 8, maxLength, dtype };
  const engine = await RemoteEngine.open(host, { model: address, ignore, choice, options }, onProgress);
  const tokenizer = content === undefined ? null : await sources.loadTokenizer(source);
  return {
    engine,
    hash: engine.modelHash,
    report: engine.loadingReport,
    perplexity: tokenizer && (await perplexity(engine, await tokenizer.encodeDocument(content ?? ''), maxLength)),
  };
}
