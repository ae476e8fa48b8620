/** What the worker of transformers.js is asked: one model at a time, opened by the first call that names it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { FileSource } from '../../engine/source';
import type { GenerateRequest, GenerateResult } from '../../engine/types';
import type { Pulse } from '../../supervision';
import { prepare, type RuntimeFiles, type TransformersLibrary } from './library';
import { OnnxModel, type OnnxOptions, type OnnxShape, type ReadTokens } from './model';

export interface OnnxSetup extends OnnxOptions {
  /** Address of the model (`openModel`). */
  model: string;
  runtime: RuntimeFiles;
}

export interface OpenedOnnx extends OnnxShape {
  /** Packages with their versions. */
  engine: string;
  /** One sha-256 over the files that were read, in order of their paths, hex. */
  hash: string;
  /** The same over the runtime's files. */
  files: string;
  /** The same question gave the same bits twice, and the same in company. */
  repeats: boolean;
}

export interface OnnxMessage {
  row: number;
  id: number;
}

export interface OnnxApi {
  open(setup: OnnxSetup): Promise<OpenedOnnx>;
  /** @param port hears of every token (`OnnxMessage`), and stops the work by any message */
  generate(setup: OnnxSetup, requests: GenerateRequest[], port: MessagePort): Promise<GenerateResult[]>;
  /** Tokens that are given (`OnnxModel.read`). */
  read(setup: OnnxSetup, ids: number[], start: number): Promise<ReadTokens>;
}

/** How the worker's surroundings are reached. */
export interface OnnxWorkParts {
  openModel(address: string): Promise<FileSource>;
  library(): Promise<TransformersLibrary>;
  /** Bytes of a runtime's file. */
  readRuntime(address: string): Promise<Uint8Array<ArrayBuffer>>;
  pulse: Pulse;
}

/** Files that the library asks for without needing them. */
const OPTIONAL = new Set(['generation_config.json']);

interface Loaded {
  key: string;
  model: OnnxModel;
  opened: OpenedOnnx;
}

export function createOnnxWork({ openModel, library: load, readRuntime, pulse }: OnnxWorkParts): OnnxApi {
  let loaded: Promise<Loaded> | null = null;
  let key = '';

  const loading = async (setup: OnnxSetup): Promise<Loaded> => {
    const library = await load();
    const [script, binary] = [await readRuntime(setup.runtime.mjs), await readRuntime(setup.runtime.wasm)];
    pulse.worked();
    const source = await openModel(setup.model);
    const hashes = new Map<string, string>();
    const file = async (path: string): Promise<Uint8Array<ArrayBuffer> | null> => {
      if (OPTIONAL.has(path) && source.exists && !(await source.exists(path))) return null;
      const bytes = (await source.read(path)) as Uint8Array<ArrayBuffer>;
      hashes.set(path, hashOf([bytes]));
      pulse.worked();
      return bytes;
    };
    prepare(library, setup.runtime, binary.buffer.slice(binary.byteOffset, binary.byteOffset + binary.length), file);
    const model = await OnnxModel.load(library, setup);
    pulse.worked();
    const versions = (library.env.backends.onnx as { versions?: Record<string, string> }).versions ?? {};
    const opened = {
      ...model.shape,
      engine: `@huggingface/transformers ${library.env.version}, onnxruntime-web ${versions['web'] ?? 'unknown'}`,
      hash: hashOf([...hashes].sort().map(([path, hash]) => new TextEncoder().encode(`${path} ${hash}\n`))),
      files: hashOf([script, binary]),
      repeats: await repeats(model),
    };
    return { key: keyOf(setup), model, opened };
  };

  const ready = async (setup: OnnxSetup): Promise<Loaded> => {
    if (loaded && key === keyOf(setup)) return loaded;
    const before = loaded;
    key = keyOf(setup);
    loaded = (async () => {
      await (await before?.catch(() => null))?.model.dispose();
      return loading(setup);
    })();
    const now = loaded;
    now.catch(() => {
      if (loaded === now) loaded = null;
    });
    return now;
  };

  return {
    open: async (setup) => (await ready(setup)).opened,
    async read(setup, ids, start) {
      const read = await (await ready(setup)).model.read(ids, start);
      pulse.worked();
      return read;
    },
    async generate(setup, requests, port) {
      let stopped = false;
      port.onmessage = () => (stopped = true);
      try {
        const { model } = await ready(setup);
        return await model.generate(requests, {
          onToken(row, id) {
            pulse.worked();
            port.postMessage({ row, id } satisfies OnnxMessage);
          },
          stopped: () => stopped,
        });
      } finally {
        port.close();
      }
    },
  };
}

/** Asks one question alone, again, and beside a longer one. */
async function repeats(model: OnnxModel): Promise<boolean> {
  const top = Math.min(model.shape.vocabSize, 8);
  const ask = (length: number, problem: number): GenerateRequest => ({
    ids: Array.from({ length }, (_, at) => 1 + (at % (top - 1))),
    adapter: null,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 3, stopIds: [] },
    key: { seed: 1, stream: 0, iteration: 0, agent: 0, problem, round: 0 },
  });
  const [first] = await model.generate([ask(5, 1)]);
  const [second] = await model.generate([ask(5, 1)]);
  const [, third] = await model.generate([ask(9, 2), ask(5, 1)]);
  const text = JSON.stringify(first);
  return text === JSON.stringify(second) && text === JSON.stringify(third);
}

function keyOf(setup: OnnxSetup): string {
  return JSON.stringify(setup);
}

function hashOf(parts: readonly Uint8Array[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return bytesToHex(hash.digest());
}
