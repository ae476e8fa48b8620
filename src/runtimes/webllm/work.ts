/** What the worker of web-llm is asked: one model, opened by the first call that names it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { PolylogueError } from '../../engine/errors';
import type { FileSource } from '../../engine/source';
import type { ChatMessage } from '../../tasks/types';
import type { Pulse } from '../../supervision';
import type { Sampling } from '../types';
import {
  cachesOf,
  MODEL_ID,
  ownRecord,
  watchDevices,
  type ModelRecord,
  type ReadFile,
  type WebLlmEngine,
  type WebLlmLibrary,
} from './library';

/** A model of the package's list, or the addresses of a record of one's own. */
export type WebLlmModel = { id: string } | { model: string; library: string };

export interface WebLlmRecord {
  model: string;
  library: string;
  /** Of the list: settings and features that the library needs. */
  record: Partial<ModelRecord>;
  /** Bytes of GPU memory that the list names; null where it names none. */
  memory: number | null;
}

export interface WebLlmSetup extends WebLlmRecord {
  /** Address of the stored files (`openModel`). */
  files: string;
  /** Path of the library among them. */
  libraryFile: string;
}

export interface OpenedWebLlm {
  /** Package with its version, and the version of libraries that it takes. */
  engine: string;
  /** One sha-256 over the model's files that were read, in order of their paths, hex. */
  hash: string;
  /** Of the library. */
  files: string;
  /** For people. */
  device: string;
  logprobs: boolean;
  /** The same call gave the same text and log-probabilities, also after another one. */
  repeats: boolean;
}

export interface WebLlmQuestion {
  messages: ChatMessage[];
  sampling: Sampling;
  seed: number;
}

export interface WebLlmAnswer {
  text: string;
  finish: 'stop' | 'length';
  tokens: number;
  logprobs: number[] | null;
}

export interface WebLlmApi {
  /** Looks whether this device and the package's list have what a model needs, before anything is downloaded. */
  look(model: WebLlmModel): Promise<WebLlmRecord>;
  open(setup: WebLlmSetup): Promise<OpenedWebLlm>;
  /** @param port hears the text so far, and stops the work by any message */
  ask(setup: WebLlmSetup, question: WebLlmQuestion, port: MessagePort): Promise<WebLlmAnswer>;
}

/** How the worker's surroundings are reached. */
export interface WebLlmWorkParts {
  library(): Promise<WebLlmLibrary>;
  version: string;
  gpu: Pick<GPU, 'requestAdapter'> | null;
  openModel(address: string): Promise<FileSource>;
  /** Puts a cache in the place of the browser's, for this realm. */
  setCaches(caches: Pick<CacheStorage, 'open'>): void;
  pulse: Pulse;
}

/** There is no GPU for it. */
export class NoAdapterError extends PolylogueError {}
/** The library's model needs a feature that the GPU lacks. */
export class MissingFeatureError extends PolylogueError {}
/** The package's list has no such model. */
export class UnknownModelError extends PolylogueError {}
/** The library was made for another version of the package. */
export class OtherVersionError extends PolylogueError {}
/** The device was lost; only another worker helps. */
export class LostDeviceError extends PolylogueError {}

interface Loaded {
  engine: WebLlmEngine;
  opened: OpenedWebLlm;
}

export function createWebLlmWork(parts: WebLlmWorkParts): WebLlmApi {
  const { library: load, gpu, pulse } = parts;
  let loaded: Promise<Loaded> | null = null;
  let key = '';
  const lost = new Promise<never>((_, reject) => {
    if (gpu) watchDevices(gpu, (reason) => reject(new LostDeviceError(`the device was lost (${reason})`)));
  });
  lost.catch(() => {});
  /** What the package does not say: a lost device ends every wait for it. */
  const unlessLost = <T>(work: Promise<T>): Promise<T> => Promise.race([lost, work]);

  const loading = async (setup: WebLlmSetup): Promise<Loaded> => {
    const library = await load();
    const source = await parts.openModel(setup.files);
    const hashes = new Map<string, string>();
    parts.setCaches(cachesOf(hashed(source, hashes, pulse), setup.libraryFile));
    const engine: WebLlmEngine = await unlessLost(
      library.CreateMLCEngine(MODEL_ID, {
        appConfig: { model_list: [ownRecord(setup.record)], cacheBackend: 'cache' },
        initProgressCallback: () => pulse.worked(),
        logLevel: 'ERROR',
      }),
    ).catch((error: unknown) => {
      if (!(error instanceof WebAssembly.LinkError)) throw error;
      const wanted = `web-llm ${parts.version} takes libraries of ${library.modelVersion}`;
      throw new OtherVersionError(`${wanted}; ${error.message}`, { cause: error });
    });
    const probed = await unlessLost(probe(engine, pulse));
    const files = hashes.get(setup.libraryFile) ?? '';
    hashes.delete(setup.libraryFile);
    const names = [...hashes].sort().map(([path, hash]) => new TextEncoder().encode(`${path} ${hash}\n`));
    const vendor = await engine.getGPUVendor();
    const opened: OpenedWebLlm = {
      engine: `@mlc-ai/web-llm ${parts.version}, libraries ${library.modelVersion}`,
      hash: hashOf(names),
      files,
      device: `webgpu${vendor === '' ? '' : ` ${vendor}`}`,
      ...probed,
    };
    return { engine, opened };
  };

  const ready = (setup: WebLlmSetup): Promise<Loaded> => {
    const wanted = JSON.stringify(setup);
    if (loaded && key === wanted) return loaded;
    const before = loaded;
    key = wanted;
    const now = (async () => {
      await (await before?.catch(() => null))?.engine.unload();
      return loading(setup);
    })();
    loaded = now;
    now.catch(() => {
      if (loaded === now) loaded = null;
    });
    return now;
  };

  return {
    async look(model) {
      const { prebuiltAppConfig } = await load();
      const record = recordOf(model, prebuiltAppConfig.model_list);
      const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
      if (!adapter) throw new NoAdapterError('there is no GPU for it here');
      for (const feature of record.record.required_features ?? [])
        if (!adapter.features.has(feature)) throw new MissingFeatureError(`this GPU has no ${feature}`);
      return record;
    },
    open: async (setup) => (await ready(setup)).opened,
    async ask(setup, question, port) {
      try {
        const { engine, opened } = await ready(setup);
        port.onmessage = () => engine.interruptGenerate();
        const said = (text: string): void => {
          pulse.worked();
          port.postMessage(text);
        };
        return await unlessLost(complete(engine, question, opened.logprobs, said));
      } finally {
        port.close();
      }
    },
  };
}

function recordOf(model: WebLlmModel, list: readonly ModelRecord[]): WebLlmRecord {
  if (!('id' in model)) return { ...model, record: {}, memory: null };
  const record = list.find(({ model_id }) => model_id === model.id);
  if (!record) {
    const like = list.map(({ model_id }) => model_id).filter((id) => id.slice(0, 5) === model.id.slice(0, 5));
    const some = (like.length > 0 ? like : list.map(({ model_id }) => model_id)).slice(0, 4).join(', ');
    throw new UnknownModelError(`its list has no model ${model.id}; it has ${some} and others`);
  }
  const { overrides, required_features: features, vram_required_MB: megabytes } = record;
  return {
    model: record.model,
    library: record.model_lib,
    record: { ...(overrides && { overrides }), ...(features && { required_features: features }) },
    memory: megabytes === undefined ? null : Math.ceil(megabytes * 1e6),
  };
}

/** Reads files of the store, and keeps the sha-256 of each. */
function hashed(source: FileSource, hashes: Map<string, string>, pulse: Pulse): ReadFile {
  return async (path) => {
    if (source.exists && !(await source.exists(path))) return null;
    const bytes = (await source.read(path)) as Uint8Array<ArrayBuffer>;
    if (!hashes.has(path)) hashes.set(path, (await source.sha256?.(path)) ?? hashOf([bytes]));
    pulse.worked();
    return bytes;
  };
}

const PROBE: WebLlmQuestion = {
  messages: [{ role: 'user', content: '1+1=' }],
  sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 2 },
  seed: 1,
};

/** Asks one question, another, and the first again. */
async function probe(engine: WebLlmEngine, pulse: Pulse): Promise<Pick<OpenedWebLlm, 'logprobs' | 'repeats'>> {
  const ask = (question: WebLlmQuestion): Promise<WebLlmAnswer> =>
    complete(engine, question, true, () => pulse.worked());
  const first = await ask(PROBE);
  await ask({ ...PROBE, messages: [{ role: 'user', content: 'Name a number.' }], seed: 2 });
  const again = await ask(PROBE);
  return { logprobs: first.logprobs !== null, repeats: JSON.stringify(first) === JSON.stringify(again) };
}

/** One answer. Nothing is left of an earlier question, whose keys and values would change the last digits. */
async function complete(
  engine: WebLlmEngine,
  { messages, sampling, seed }: WebLlmQuestion,
  logprobs: boolean,
  said: (text: string) => void,
): Promise<WebLlmAnswer> {
  await engine.resetChat();
  const { temperature, topP, maxTokens } = sampling;
  const chunks = await engine.chat.completions.create({
    messages: messages as Parameters<typeof engine.chat.completions.create>[0]['messages'],
    temperature,
    top_p: topP,
    max_tokens: maxTokens,
    seed,
    ...(logprobs && { logprobs: true }),
    stream: true,
    stream_options: { include_usage: true },
  });
  const answer: WebLlmAnswer = { text: '', finish: 'length', tokens: 0, logprobs: null };
  let counted: number | null = null;
  let parts = 0;
  for await (const { choices, usage } of chunks) {
    if (usage) counted = usage.completion_tokens;
    const [choice] = choices;
    if (!choice) continue;
    const text = choice.delta.content ?? '';
    answer.text += text;
    if (text !== '') parts++;
    for (const { logprob } of choice.logprobs?.content ?? []) (answer.logprobs ??= []).push(Math.min(0, logprob));
    if (choice.finish_reason === 'stop') answer.finish = 'stop';
    said(answer.text);
  }
  answer.tokens = counted ?? answer.logprobs?.length ?? parts;
  return answer;
}

function hashOf(parts: readonly Uint8Array[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return bytesToHex(hash.digest());
}
