/**
 * transformers.js as the bench runs it: `generate` with sampling at temperature 1, on ONNX Runtime's native library. Six adapters are six
 * merged models, one after another, since it has no adapters.
 */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ModelWeights } from '../../src/engine/types';
import { exportModel } from '../../tools/onnx/export';
import { ADAPTERS, adapterWeights, MODEL, NEW_TOKENS, requests } from '../exact/work';
import { peerEntry } from './ort';

/** The little of the library that is used. */
interface Transformers {
  env: { allowRemoteModels: boolean; localModelPath: string; useWasmCache: boolean };
  Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => unknown;
  AutoModelForCausalLM: { from_pretrained(name: string, options: object): Promise<Model> };
}
interface Model {
  generate(options: object): Promise<{ dims: readonly number[] }>;
  dispose(): Promise<unknown>;
}

/** What a folder in Hugging Face layout needs beside the model. */
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];

export class TransformersSociety {
  private constructor(
    private readonly library: Transformers,
    private readonly folder: string,
    private readonly base: Model,
    private readonly adapted: readonly Model[],
  ) {}

  /** @param threads of the native library, for each model */
  static async open(threads: number, weights: ModelWeights): Promise<TransformersSociety> {
    const library = (await import(pathToFileURL(peerEntry('@huggingface/transformers')).href)) as Transformers;
    const folder = await mkdtemp(join(tmpdir(), 'polylogue-peers-'));
    library.env.allowRemoteModels = false;
    library.env.localModelPath = folder;
    // It would fetch the runtime for browsers from a third party.
    library.env.useWasmCache = false;
    const open = async (name: string, bytes: Uint8Array): Promise<Model> => {
      await mkdir(join(folder, name, 'onnx'), { recursive: true });
      for (const file of FILES) await copyFile(join(MODEL, file), join(folder, name, file));
      await writeFile(join(folder, name, 'onnx', 'model.onnx'), bytes);
      return library.AutoModelForCausalLM.from_pretrained(name, {
        dtype: 'fp32',
        device: 'cpu',
        session_options: { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' },
      });
    };
    const adapted: Model[] = [];
    for (let i = 0; i < ADAPTERS; i++) {
      adapted.push(await open(`adapter-${i}`, exportModel(weights, { adapter: adapterWeights(weights.config, i) })));
    }
    return new TransformersSociety(library, folder, await open('base', exportModel(weights)), adapted);
  }

  async generate(rows: number, adapters: number): Promise<void> {
    const prompts = requests(rows, adapters).map(({ ids }) => Array.from(ids));
    if (adapters === 0) return this.sample(this.base, prompts);
    for (const [index, model] of this.adapted.entries()) {
      const own = prompts.filter((_, row) => row % adapters === index);
      if (own.length > 0) await this.sample(model, own);
    }
  }

  async close(): Promise<void> {
    for (const model of [this.base, ...this.adapted]) await model.dispose();
    await rm(this.folder, { recursive: true });
  }

  /** @throws Error when a row did not get all its tokens */
  private async sample(model: Model, prompts: readonly number[][]): Promise<void> {
    const [rows, length] = [prompts.length, prompts[0]?.length ?? 0];
    const whole = (values: number[]): unknown =>
      new this.library.Tensor('int64', BigInt64Array.from(values, BigInt), [rows, length]);
    const { dims } = await model.generate({
      inputs: whole(prompts.flat()),
      attention_mask: whole(new Array<number>(rows * length).fill(1)),
      do_sample: true,
      temperature: 1,
      top_k: 0,
      max_new_tokens: NEW_TOKENS,
      min_new_tokens: NEW_TOKENS,
    });
    if (dims[1] !== length + NEW_TOKENS) throw new Error(`transformers.js sampled ${(dims[1] ?? 0) - length} tokens`);
  }
}
