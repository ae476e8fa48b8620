/** The bench worker's side of comparing runtimes: opens each with the embedded model, measures them in turn, and tells of it over a port. */
import type { Engine, EngineOptions } from '../../engine/types';
import { modelAddress } from '../../models/address';
import { resolveConfig } from '../../recipes/resolve';
import { readRuntime } from '../../recipes/seats';
import type { Voice } from '../../runtimes/types';
import type { EngineSetup, MadeEngine } from '../host/engineHost';
import { openOnnxVoice, type OnnxParts } from '../setup/onnxVoice';
import { runtimeFor, type ModelSources } from '../setup/parts';
import {
  measureRuntimes,
  RUNTIMES_MODEL,
  RUNTIMES_SEED,
  type Asks,
  type RuntimeAgreement,
  type RuntimeSpeed,
} from './runtimes';

export interface RuntimesBenchRequest {
  /** The page's address. */
  base: string;
  /** Runtimes on the GPU too. */
  gpu: boolean;
  rows: readonly number[];
  /** Seconds for a speed, about. */
  seconds: number;
  compared: number;
}

/** What the worker tells while it measures. */
export type RuntimesMessage =
  | { type: 'doing'; what: string }
  /** It cannot be measured here. */
  | { type: 'missing'; runtime: string; why: string }
  | { type: 'found'; found: RuntimeSpeed | RuntimeAgreement };

export interface RuntimesWorkApi {
  /** @param port hears of it (`RuntimesMessage`) */
  compare(request: RuntimesBenchRequest, port: MessagePort): Promise<void>;
}

export interface RuntimesParts extends ModelSources {
  make(setup: EngineSetup): Promise<MadeEngine>;
  onnx(base: string): OnnxParts;
  /** Something got done. */
  worked(): void;
}

/** In the order in which they are measured; the others are compared with the first. */
const ENGINES = [
  ['exact', 'exact engine, WebAssembly', false],
  ['webgpu', 'engine, WebGPU', true],
] as const;
const SEATS = [
  ['wasm', 'transformers.js, WebAssembly', false],
  ['webgpu', 'transformers.js, WebGPU', true],
] as const;

export function createRuntimesWork(parts: RuntimesParts): RuntimesWorkApi {
  return {
    async compare(request, port) {
      const tell = (message: RuntimesMessage): void => port.postMessage(message);
      const opened: Opened[] = [];
      try {
        for (const [kind, name, onGpu] of ENGINES)
          if (!onGpu || request.gpu) await attempt(name, () => openEngine(parts, request, kind, name));
        for (const [device, name, onGpu] of SEATS)
          if (!onGpu || request.gpu) await attempt(name, () => openSeat(parts, request, device, name));
        const all = opened.map(({ asks }) => asks);
        tell({ type: 'doing', what: 'Measuring' });
        for await (const found of measureRuntimes(all, request)) {
          parts.worked();
          tell({ type: 'found', found });
        }
      } finally {
        for (const { close } of opened) await close().catch(() => {});
        port.close();
      }

      async function attempt(name: string, open: () => Promise<Opened>): Promise<void> {
        tell({ type: 'doing', what: `Opening ${name}` });
        try {
          opened.push(await open());
        } catch (error) {
          tell({ type: 'missing', runtime: name, why: error instanceof Error ? error.message : String(error) });
        }
        parts.worked();
      }
    },
  };
}

interface Opened {
  asks: Asks;
  close(): Promise<void>;
}

async function openEngine(
  { make, openModel, loadTokenizer }: RuntimesParts,
  { base, rows }: RuntimesBenchRequest,
  choice: 'exact' | 'webgpu',
  name: string,
): Promise<Opened> {
  const config = resolveConfig('arithmetic-quick', { seed: RUNTIMES_SEED });
  const model = modelAddress(RUNTIMES_MODEL, base);
  const tokenizer = await loadTokenizer(await openModel(model));
  const options: EngineOptions = { maxRows: Math.max(...rows), maxAdapters: 1, maxRank: 8, prefixCache: false };
  const made = await make({ model, ignore: [], choice, options });
  const engine: Engine = made.engine;
  const runtime = runtimeFor(config, { engine, tokenizer, hash: made.hash ?? '', options });
  return { asks: { name, ask: (questions) => runtime.ask(questions) }, close: () => engine.dispose() };
}

async function openSeat(
  { onnx, worked }: RuntimesParts,
  { base }: RuntimesBenchRequest,
  device: 'wasm' | 'webgpu',
  name: string,
): Promise<Opened> {
  const spec = readRuntime('seats', `transformers:${RUNTIMES_MODEL}#${device}`);
  const config = resolveConfig('arithmetic-quick', { seed: RUNTIMES_SEED });
  const signal = new AbortController().signal;
  const voice: Voice = await openOnnxVoice(onnx(base), { spec, config, signal, onProgress: worked });
  return { asks: { name, ask: (questions) => voice.ask(questions) }, close: () => voice.close() };
}
