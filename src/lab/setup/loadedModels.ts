/** The lab's models on its engine worker: made ready for runs, measured and checked. One is loaded at a time. */
import { addedPlans } from '../../engine/paired';
import { onDevice, planModel } from '../../engine/plan';
import { readConfig } from '../../engine/stream';
import type { EngineOptions, MemoryPlan, ModelConfig } from '../../engine/types';
import { modelAddress } from '../../models/address';
import type { ModelFolder } from '../../models/folder';
import { addFolder } from '../../models/source';
import type { RunConfig } from '../../recipes/config';
import { needOf } from '../../recipes/work';
import { SpeedMeter } from '../progress/speed';
import type { LoadProgress } from '../host/engineHost';
import type { EngineLink } from '../host/engineLink';
import { checkModel, openParts, runtimeFor, type ModelParts, type ModelSources, type ReadyTask } from './parts';
import { RemoteEngine } from '../host/remoteEngine';
import { engineFor, trainingSize, type Arithmetic } from './engineOptions';
import type { SpotEngine } from '../stored/checkRun';
import type { DeviceSpeed, EngineChoice, EngineSummary, ModelCheck, ModelCheckRequest } from '../types';

/** Called while a model's files are read. */
type OnBytes = (bytes: LoadProgress) => void;

export class LabModels {
  readonly #sources: ModelSources;
  readonly #link: EngineLink;
  readonly #base: string;
  readonly #speeds = new SpeedMeter();
  #engine: EngineSummary | null = null;
  #probed: Promise<EngineSummary> | null = null;

  /** @param base the page's address, below which served models are */
  constructor(sources: ModelSources, link: EngineLink, base: string) {
    this.#sources = sources;
    this.#link = link;
    this.#base = base;
  }

  /** The engine in use, or what it would run on; null before it is known. */
  get engine(): EngineSummary | null {
    return this.#engine;
  }

  async probe(): Promise<EngineSummary> {
    const probed = await this.#probe();
    return (this.#engine ??= probed);
  }

  /** Configuration of a run's model; its weights are not loaded. Rejects where the model is not at hand. */
  async configOf({ model, ignoreConfig }: RunConfig): Promise<ModelConfig> {
    const source = await this.#sources.openModel(modelAddress(model, this.#base));
    return readConfig(source, { ignore: ignoreConfig ?? [] });
  }

  /** Bytes that a run takes on a device; nothing is loaded. */
  async plan(config: RunConfig, ready: ReadyTask): Promise<MemoryPlan> {
    const arithmetic = await this.#arithmetic(engineFor(config, 'auto'));
    const { model, options, second } = await openParts(this.#sources, this.#base, config, ready, arithmetic);
    const training = config.iterations > 0 ? trainingSize(config) : undefined;
    const plan = (of: ModelConfig, its: EngineOptions) => planModel(of, onDevice(its, arithmetic), training);
    const own = plan(model, options);
    return second ? addedPlans(own, plan(second.model, second.options)) : own;
  }

  /** Makes the engine ready for a run; a measurement that is going on is given up. */
  async open(
    config: RunConfig,
    choice: EngineChoice,
    ready: ReadyTask,
    onBytes: OnBytes,
  ): Promise<{ model: ModelParts; engine: RemoteEngine }> {
    await this.#speeds.abandon();
    const engine = engineFor(config, choice);
    const model = await openParts(this.#sources, this.#base, config, ready, await this.#arithmetic(engine));
    return { model, engine: await this.#load(config, engine, model, onBytes) };
  }

  /** A run's model as what answers its calls. @throws as `open` */
  async runtime(config: RunConfig, choice: EngineChoice, ready: ReadyTask, onBytes: OnBytes): Promise<SpotEngine> {
    const { model, engine } = await this.open(config, choice, ready, onBytes);
    const { tokenizer, options } = model;
    const { modelHash: hash, secondHash } = engine;
    return { engine, hash, runtime: runtimeFor(config, { engine, tokenizer, hash, secondHash, options }) };
  }

  /** This device's speed with a run's model. @param ready asked for when it is not known yet */
  measure(config: RunConfig, choice: EngineChoice, ready: () => Promise<ReadyTask>): Promise<DeviceSpeed> {
    const engine = engineFor(config, choice);
    return this.#speeds.measure(config, engine, async () => {
      const arithmetic = await this.#arithmetic(engine);
      const model = await openParts(this.#sources, this.#base, config, await ready(), arithmetic);
      return this.#load(config, engine, model);
    });
  }

  async check(request: ModelCheckRequest, onProgress: (progress: LoadProgress) => void): Promise<ModelCheck> {
    await this.#speeds.abandon();
    const found = await checkModel(this.#sources, this.#base, this.#link.host, request, onProgress);
    return { ...found, engine: await this.#summary(found.engine) };
  }

  /** Makes a folder usable here and in the engine worker; resolves with its address. */
  async addFolder(folder: ModelFolder): Promise<string> {
    await this.#link.addFolder(folder);
    return addFolder(folder);
  }

  /** Lets the engine go: the next run gets a new one. */
  async close(): Promise<void> {
    await this.#link.host.close();
  }

  async #load(
    config: RunConfig,
    choice: EngineChoice,
    { address, ignore, options, second }: ModelParts,
    onBytes: OnBytes = () => {},
  ): Promise<RemoteEngine> {
    const beside = second && { model: second.address, options: second.options, adapters: second.adapters };
    const setup = { model: address, ignore, choice, options, ...(beside && { second: beside }) };
    const remote = await RemoteEngine.open(this.#link.host, setup, onBytes);
    // The page shows one problem's debate; the first of each batch of questions.
    remote.watchRows = needOf(config).seats;
    this.#engine = await this.#summary(remote);
    return remote;
  }

  /** An engine for people. What only the adapter tells is known from the probe. */
  async #summary({ info, fallbackReason, measured }: RemoteEngine): Promise<EngineSummary> {
    const { kind, device } = info;
    if (kind !== 'webgpu') return { kind, device, software: false, fallbackReason, ...(measured && { measured }) };
    const { software, arithmetic = 'f32' } = await this.#probe();
    return { kind, device, software, fallbackReason, arithmetic };
  }

  /** Asked once: a device does not change in a visit. */
  #probe(): Promise<EngineSummary> {
    this.#probed ??= Promise.resolve(this.#link.host.probe()).catch((error: unknown) => {
      this.#probed = null;
      throw error;
    });
    return this.#probed;
  }

  async #arithmetic(choice: EngineChoice): Promise<Arithmetic> {
    if (choice === 'exact' || choice === 'reference') return 'f32';
    return (await this.#probe()).arithmetic ?? 'f32';
  }
}
