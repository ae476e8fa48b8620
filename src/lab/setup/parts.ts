/** Models in the lab: what is known of one before its weights are loaded, its loading, and how it does on this device. */
import type { Remote } from 'comlink';
import { resolveMaxLength } from '../../engine/requests';
import { label, parseJson, type FileSource } from '../../engine/source';
import { readConfig } from '../../engine/stream';
import type { Engine, EngineOptions, ModelConfig } from '../../engine/types';
import { modelAddress, modelTitle } from '../../models/address';
import type { RunConfig } from '../../recipes/config';
import { ConfigurationError } from '../../recipes/errors';
import { checkRoom } from '../../recipes/room';
import { secondModelOf } from '../../recipes/secondModel';
import type { SecondModel } from '../../recipes/types';
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
  /** A second base model beside it, where the run's recipe has one. */
  second?: SecondParts;
}

/** A second base model as it is known without its weights. */
export interface SecondParts {
  /** As the settings name it. */
  name: string;
  address: string;
  model: ModelConfig;
  options: EngineOptions;
  /** Names of its adapters. */
  adapters: readonly string[];
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
  const options = await checkedOptions(config, parts, modelTitle(config.model));
  const second = secondModelOf(config);
  if (!second) return { address, ignore, model, tokenizer, options };
  const at = modelAddress(second.model, base);
  const other = await secondParts(second, { model, source, options }, await sources.openModel(at));
  return { address, ignore, model, tokenizer, options, second: { ...other, name: second.model, address: at } };
}

/**
 * What the engine of a second base model must have room for. The page and the command line both begin here.
 * @param first the run's own model
 * @param source of the second one
 * @throws ConfigurationError that names the setting, where the two read other tokens or the second takes shorter texts
 */
export async function secondParts(
  { key, model: name, adapters }: SecondModel,
  first: { model: ModelConfig; source: FileSource; options: EngineOptions },
  source: FileSource,
): Promise<Pick<SecondParts, 'model' | 'options' | 'adapters'>> {
  const model = await readConfig(source);
  const [own, other] = await Promise.all([vocabularyOf(first.source), vocabularyOf(source)]);
  if (own !== other)
    throw new ConfigurationError(
      key,
      `${modelTitle(name)} has another tokenizer.json than the model of the run, and both have to read the same tokens; choose a model of the same family`,
    );
  const longest = resolveMaxLength(first.model, first.options);
  if (model.maxPositions < longest)
    throw new ConfigurationError(
      key,
      `${modelTitle(name)} has ${model.maxPositions} positions, and texts of this run may take ${longest}; choose a model with as many`,
    );
  return { model, options: { ...first.options, maxLength: longest, maxAdapters: adapters.length }, adapters };
}

/** The tokens of a model, as one text that can be compared. */
async function vocabularyOf(source: FileSource): Promise<string> {
  const file = 'tokenizer.json';
  return JSON.stringify(parseJson(await source.read(file), label(source, file)));
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

/** A run's model on its engine. */
export interface RunEngine {
  engine: Engine;
  tokenizer: Tokenizer;
  /** Of the weight files. */
  hash: string;
  /** The same of the second base model. */
  secondHash?: string | undefined;
  options: EngineOptions;
}

/** The runtime of a run on its engine. The page and the command line both play on it. */
export function runtimeFor(
  config: RunConfig,
  { engine, tokenizer, hash, secondHash, options }: RunEngine,
  watching: Pick<EngineRuntimeOptions, 'onText' | 'onResponse' | 'onTokens' | 'signal'> = {},
): EngineRuntime {
  const model = { name: config.model, hash };
  const second = secondModelOf(config);
  const secondModel = second && secondHash !== undefined ? { name: second.model, hash: secondHash } : undefined;
  const limits = societyLimits(config, options);
  return new EngineRuntime({ engine, tokenizer, model, secondModel, config, ...limits, ...watching });
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
