/** Models in the lab: what is known of one before its weights are loaded, its loading, and how it does on this device. */
import type { Remote } from 'comlink';
import type { FileSource } from '../../engine/source';
import { readConfig } from '../../engine/stream';
import type { Engine, EngineOptions, ModelConfig } from '../../engine/types';
import { modelAddress, modelTitle } from '../../models/address';
import type { RunConfig } from '../../recipes/config';
import { checkRoom } from '../../recipes/room';
import { EngineRuntime, type EngineRuntimeOptions } from '../../runtimes/engine';
import { checkDialect } from '../../tasks/dialect';
import { plainString } from '../../tasks/textLines';
import type { EngineHostApi, LoadProgress } from '../host/engineHost';
import { perplexity, PERPLEXITY_WINDOW } from './perplexity';
import type { readyTask } from './problems';
import { RemoteEngine } from '../host/remoteEngine';
import { engineOptions, societyLimits, type Arithmetic } from './engineOptions';
import type { ModelCheck, ModelCheckRequest } from '../types';

export type Tokenizer = EngineRuntimeOptions['tokenizer'];
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
  config: RunConfig,
  { task, measured }: ReadyTask,
  arithmetic?: Arithmetic,
): Promise<ModelParts> {
  const address = modelAddress(config.model, base);
  const source = await sources.openModel(address);
  const ignore = config.ignoreConfig ?? [];
  const [model, tokenizer] = await Promise.all([readConfig(source, { ignore }), sources.loadTokenizer(source)]);
  const parts = { task, measured, model, tokenizer, arithmetic };
  return { address, ignore, model, tokenizer, options: await checkedOptions(config, parts, modelTitle(config.model)) };
}

/**
 * What a run's engine must have room for, once the model can play the task. The page and the command line both begin here.
 * @param name of the model for people
 * @throws TaskError when the model cannot play the task, ConfigurationError when nothing has room in its context
 */
export async function checkedOptions(
  config: RunConfig,
  parts: Parameters<typeof engineOptions>[1] & { tokenizer: Tokenizer },
  name: string,
): Promise<EngineOptions> {
  const { task, measured, model, tokenizer } = parts;
  if (measured[0]) await checkDialect(task, measured[0], tokenizer, name);
  await checkRoom(config, task, tokenizer, model.maxPositions, name);
  return engineOptions(config, parts);
}

/** The runtime of a run on its engine. The page and the command line both play on it. @param hash of the weight files */
export function runtimeFor(
  config: RunConfig,
  { engine, tokenizer, hash, options }: { engine: Engine; tokenizer: Tokenizer; hash: string; options: EngineOptions },
  watching: Pick<EngineRuntimeOptions, 'onText' | 'onResponse' | 'onTokens' | 'signal'> = {},
): EngineRuntime {
  const model = { name: config.model, hash };
  return new EngineRuntime({ engine, tokenizer, model, config, ...societyLimits(config, options), ...watching });
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
