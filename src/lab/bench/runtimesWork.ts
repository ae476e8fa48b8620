/** The bench worker's side of comparing runtimes: opens each, measures them in turn, and tells of it over a port. */
import { readConfig } from '../../engine/stream';
import type { Engine, EngineOptions, WeightDtype } from '../../engine/types';
import { modelAddress } from '../../models/address';
import type { ModelFolder } from '../../models/folder';
import { addFolder } from '../../models/source';
import type { RunConfig } from '../../recipes/config';
import { readRuntime, runtimeTitle, type RuntimeSpec } from '../../recipes/seats';
import { VoiceError } from '../../runtimes/errors';
import type { EngineSetup, MadeEngine } from '../host/engineHost';
import { runtimeFor, type ModelSources } from '../setup/parts';
import { openVoice, type VoiceOpeners } from '../setup/voices';
import {
  CHAT_LENGTH,
  measureRuntimes,
  RUNTIMES_MODEL,
  runtimesConfig,
  type Asks,
  type RuntimeFinding,
  whyOf,
} from './runtimes';

export interface RuntimesBenchRequest {
  /** The page's address. */
  base: string;
  /** Runtimes on the GPU too. */
  gpu: boolean;
  /** What the engine computes. The embedded model is measured on transformers.js too. */
  model: BenchedModel;
  /** Further runtimes, as the setting `seats` names them. */
  runtimes: readonly string[];
  /** Sites that the visitor allowed, with their keys: in memory alone. */
  allowed: readonly (readonly [origin: string, key: string | null])[];
  rows: readonly number[];
  /** Seconds for a speed, about. */
  seconds: number;
  compared: number;
}

export interface BenchedModel {
  /** As `config.model` names it. */
  address: string;
  ignore: readonly string[];
  /** Of a model that lies in a folder which the visitor chose. */
  folder?: ModelFolder;
  dtype: WeightDtype;
}

/** What the worker tells while it measures. */
export type RuntimesMessage =
  | { type: 'doing'; what: string }
  /** It cannot be measured here. */
  | { type: 'missing'; runtime: string; why: string }
  | { type: 'found'; found: RuntimeFinding };

export interface RuntimesWorkApi {
  /** @param port hears of it (`RuntimesMessage`) */
  compare(request: RuntimesBenchRequest, port: MessagePort): Promise<void>;
}

export interface RuntimesParts extends ModelSources {
  make(setup: EngineSetup): Promise<MadeEngine>;
  /** @param base the page's address */
  voices(base: string): Omit<VoiceOpeners, 'keyOf'>;
  /** Something got done. */
  worked(): void;
}

interface Opened {
  asks: Asks;
  close(): Promise<void>;
}

/** What is measured in turn; the others are compared with the first. */
interface Place {
  /** For people. */
  name: string;
  open(): Promise<Opened>;
}

const ONNX_DEVICES = [
  ['wasm', 'WebAssembly'],
  ['webgpu', 'WebGPU'],
] as const;

export function createRuntimesWork(parts: RuntimesParts): RuntimesWorkApi {
  return {
    async compare(request, port) {
      const tell = (message: RuntimesMessage): void => port.postMessage(message);
      const onDoing = (what: string): void => {
        parts.worked();
        tell({ type: 'doing', what });
      };
      const config = runtimesConfig(request.model.address === RUNTIMES_MODEL);
      const opened: Opened[] = [];
      try {
        if (request.model.folder) addFolder(request.model.folder);
        for (const { name, open } of placesOf(parts, request, config, onDoing)) {
          onDoing(`Opening ${name}`);
          try {
            opened.push(await open());
          } catch (error) {
            tell({ type: 'missing', runtime: name, why: whyOf(error) });
          }
        }
        const { rows, seconds, compared } = request;
        const all = opened.map(({ asks }) => asks);
        for await (const found of measureRuntimes(all, { config, rows, seconds, compared, onDoing })) {
          parts.worked();
          tell({ type: 'found', found });
        }
      } finally {
        for (const { close } of opened) await close().catch(() => {});
        port.close();
      }
    },
  };
}

function placesOf(
  parts: RuntimesParts,
  request: RuntimesBenchRequest,
  config: RunConfig,
  onDoing: (what: string) => void,
): Place[] {
  const { gpu, model } = request;
  const embedded = model.address === RUNTIMES_MODEL;
  const engine = (kind: 'exact' | 'webgpu', name: string): Place => ({
    name,
    open: () => openEngine(parts, request, config, kind, name),
  });
  const seat = (spec: RuntimeSpec, name: string): Place => ({
    name,
    open: () => openSeat(parts, request, config, spec, name, onDoing),
  });
  const places: Place[] = [];
  // The processor takes minutes for a model that the GPU answers at once.
  if (embedded || !gpu) places.push(engine('exact', 'exact engine, WebAssembly'));
  if (gpu) places.push(engine('webgpu', 'engine, WebGPU'));
  for (const [device, title] of ONNX_DEVICES)
    if (embedded && (gpu || device === 'wasm'))
      places.push(seat(readRuntime('seats', `transformers:${RUNTIMES_MODEL}#${device}`), `transformers.js, ${title}`));
  for (const spec of request.runtimes.map((name) => readRuntime('seats', name))) {
    const title = runtimeTitle(spec.name);
    places.push(seat(spec, places.some(({ name }) => name === title) ? spec.name : title));
  }
  return places;
}

async function openEngine(
  { make, openModel, loadTokenizer }: RuntimesParts,
  { base, rows, model: { address, ignore, dtype } }: RuntimesBenchRequest,
  config: RunConfig,
  choice: 'exact' | 'webgpu',
  name: string,
): Promise<Opened> {
  const model = modelAddress(address, base);
  const source = await openModel(model);
  const [tokenizer, { maxPositions }] = await Promise.all([loadTokenizer(source), readConfig(source, { ignore })]);
  const options: EngineOptions = {
    maxRows: Math.max(...rows),
    maxAdapters: 1,
    maxRank: 8,
    maxLength: Math.min(CHAT_LENGTH, maxPositions),
    dtype,
    // Every repetition is to compute all of its tokens.
    prefixCache: false,
  };
  const made = await make({ model, ignore, choice, options });
  const engine: Engine = made.engine;
  const runtime = runtimeFor(config, { engine, tokenizer, hash: made.hash ?? '', options });
  return { asks: { name, ask: (questions) => runtime.ask(questions) }, close: () => engine.dispose() };
}

async function openSeat(
  { voices, worked }: RuntimesParts,
  { base, allowed }: RuntimesBenchRequest,
  config: RunConfig,
  spec: RuntimeSpec,
  name: string,
  onDoing: (what: string) => void,
): Promise<Opened> {
  const keys = new Map(allowed);
  const keyOf = (origin: string): string | null => {
    const key = keys.get(origin);
    if (key === undefined) throw new VoiceError(spec.name, `${origin} was not allowed in this visit.`);
    return key;
  };
  const signal = new AbortController().signal;
  const voice = await openVoice(
    { ...voices(base), keyOf },
    {
      spec,
      config,
      signal,
      onProgress: worked,
      onDownload: (_, { doneBytes, totalBytes }) =>
        onDoing(`Downloading ${name}, ${Math.floor((100 * doneBytes) / Math.max(1, totalBytes))} %`),
    },
  );
  return { asks: { name, ask: (questions) => voice.ask(questions) }, close: () => voice.close() };
}
