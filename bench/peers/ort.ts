/**
 * ONNX Runtime as the bench runs it: a decoder whose keys and values go from step to step, as transformers.js does it. The runtimes are
 * not among the project's packages: `npm ci --prefix bench/peers` installs them (440 MB, most of it other platforms' files).
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { ModelConfig } from '../../src/engine/types';

/** The little of onnxruntime-common that is used. */
export interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
  dispose(): void;
}
type Feeds = Record<string, OrtTensor>;
interface OrtSession {
  run(feeds: Feeds): Promise<Feeds>;
  release(): Promise<void>;
}
interface OrtModule {
  Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => OrtTensor;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
  env: { wasm: { numThreads?: number } };
}

export const ORT_KINDS = ['onnxruntime-node', 'onnxruntime-web'] as const;
export type OrtKind = (typeof ORT_KINDS)[number];

export const peersInstalled = (): boolean => existsSync(new URL('./node_modules', import.meta.url));

/** Path of a runtime's entry. @throws Error that says how to install it */
export function peerEntry(name: string): string {
  const require = createRequire(new URL('./package.json', import.meta.url));
  if (!peersInstalled()) {
    throw new Error('the runtimes to compare with are not installed: npm ci --prefix bench/peers');
  }
  return require.resolve(name);
}

const loaded = new Map<OrtKind, OrtModule>();

/** @param threads of ONNX Runtime on WASM, which has one number for a process: the first that was asked for */
async function load(kind: OrtKind, threads: number): Promise<OrtModule> {
  let module = loaded.get(kind);
  if (module === undefined) {
    const found = (await import(pathToFileURL(peerEntry(kind)).href)) as OrtModule & { default?: OrtModule };
    module = found.default ?? found;
    module.env.wasm.numThreads = threads;
    loaded.set(kind, module);
  }
  return module;
}

/** Logits [rows, positions, V], positions the new ones alone. */
export interface Logits {
  data: Float32Array;
  positions: number;
}

/** A model file in a session; rows have sequences of one length. */
export class OrtDecoder {
  private constructor(
    private readonly ort: OrtModule,
    private readonly session: OrtSession,
    private readonly config: ModelConfig,
  ) {}

  static async open(kind: OrtKind, threads: number, model: Uint8Array, config: ModelConfig): Promise<OrtDecoder> {
    const ort = await load(kind, threads);
    return new OrtDecoder(ort, await openSession(ort, kind, threads, model), config);
  }

  /** Logits after every position of rows of ids, none before them. */
  async logits(rows: readonly (readonly number[])[]): Promise<Logits> {
    const { outputs, logits } = await this.step(rows, this.emptyCache(rows.length), 0);
    for (const tensor of Object.values(outputs)) tensor.dispose();
    return { data: logits, positions: rows[0]?.length ?? 0 };
  }

  /**
   * Appends `count` tokens to every row.
   * @param choose a token from a row's logits [V]
   * @returns the new tokens of each row
   */
  async generate(
    prompts: readonly (readonly number[])[],
    count: number,
    choose: (logits: Float32Array) => number,
  ): Promise<number[][]> {
    const written = prompts.map((): number[] => []);
    const { vocabSize } = this.config;
    let cache = this.emptyCache(prompts.length);
    let rows = prompts;
    let past = 0;
    for (let i = 0; i < count; i++) {
      const { outputs, logits } = await this.step(rows, cache, past);
      for (const tensor of Object.values(cache)) tensor.dispose();
      cache = this.presentAsPast(outputs);
      const positions = rows[0]?.length ?? 0;
      past += positions;
      rows = rows.map((_, row) => {
        const at = (row * positions + positions - 1) * vocabSize;
        const id = choose(logits.subarray(at, at + vocabSize));
        written[row]?.push(id);
        return [id];
      });
    }
    for (const tensor of Object.values(cache)) tensor.dispose();
    return written;
  }

  close(): Promise<void> {
    return this.session.release();
  }

  private async step(
    rows: readonly (readonly number[])[],
    cache: Feeds,
    past: number,
  ): Promise<{ outputs: Feeds; logits: Float32Array }> {
    const [count, length] = [rows.length, rows[0]?.length ?? 0];
    const whole = (values: number[], width: number): OrtTensor =>
      new this.ort.Tensor('int64', BigInt64Array.from(values, BigInt), [count, width]);
    const positions = rows.flatMap((row) => row.map((_, t) => past + t));
    const outputs = await this.session.run({
      ...cache,
      input_ids: whole(rows.flat(), length),
      attention_mask: whole(new Array<number>(count * (past + length)).fill(1), past + length),
      position_ids: whole(positions, length),
    });
    return { outputs, logits: (outputs['logits'] as OrtTensor).data };
  }

  private emptyCache(rows: number): Feeds {
    const { numLayers, numKvHeads, headDim } = this.config;
    const cache: Feeds = {};
    for (let layer = 0; layer < numLayers; layer++) {
      for (const part of ['key', 'value']) {
        const shape = [rows, numKvHeads, 0, headDim];
        cache[`past_key_values.${layer}.${part}`] = new this.ort.Tensor('float32', new Float32Array(0), shape);
      }
    }
    return cache;
  }

  private presentAsPast(outputs: Feeds): Feeds {
    const entries = Object.entries(outputs).filter(([name]) => name.startsWith('present.'));
    return Object.fromEntries(entries.map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor]));
  }
}

/** A graph from x [tokens, inputs] to products, on one thread. */
export class OrtProduct {
  private constructor(
    private readonly session: OrtSession,
    private readonly x: OrtTensor,
  ) {}

  static async open(kind: OrtKind, model: Uint8Array, tokens: number, inputs: number): Promise<OrtProduct> {
    const ort = await load(kind, 1);
    const session = await openSession(ort, kind, 1, model);
    const values = Float32Array.from({ length: tokens * inputs }, (_, i) => (i % 7) / 7 - 0.4);
    return new OrtProduct(session, new ort.Tensor('float32', values, [tokens, inputs]));
  }

  async once(): Promise<void> {
    for (const tensor of Object.values(await this.session.run({ x: this.x }))) tensor.dispose();
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

async function openSession(ort: OrtModule, kind: OrtKind, threads: number, model: Uint8Array): Promise<OrtSession> {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [kind === 'onnxruntime-node' ? 'cpu' : 'wasm'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  });
  // On WASM it makes Node's Worker a global, which jax-js would take for a browser's; one thread needs none.
  if (kind === 'onnxruntime-web' && threads === 1) Reflect.deleteProperty(globalThis, 'Worker');
  return session;
}
