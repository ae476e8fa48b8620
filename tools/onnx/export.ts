/**
 * Writes a model as ONNX, in the layout that transformers.js and optimum read (`decoder.ts` says which inputs and outputs):
 *
 *     npx tsx tools/onnx/export.ts --model static/models/arithmetic-0.4m --out out/arithmetic.onnx [--adapter DIR] [--int4]
 *
 * An adapter is merged in f32. `npm run onnx:check` compares what ONNX Runtime makes of it with the engine.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { folderSource } from '../../src/engine/loader-node';
import { loadAdapter } from '../../src/engine/peft';
import { quantiseWeights } from '../../src/engine/reference/quantise';
import { collect, openModelStream } from '../../src/engine/stream';
import type { AdapterWeights, ModelWeights } from '../../src/engine/types';
import { mergeAdapter } from './adapted';
import { decoderGraph } from './decoder';

/** Angles of so many positions at most are written: a table of all that a model knows could outweigh its layers. */
const POSITIONS = 8192;

export interface ExportOptions {
  /** Merged in f32. */
  adapter?: AdapterWeights;
  /** Products by MatMulNBits on the values that the engine's int4 has; embeddings and norms stay f32. */
  int4?: boolean;
  /** Of MatMulNBits: 0 computes in f32, 4 rounds activations to 8 bits. */
  accuracy?: 0 | 4;
}

/** @returns bytes of the .onnx file */
export function exportModel(model: ModelWeights, options: ExportOptions = {}): Uint8Array<ArrayBuffer> {
  const { adapter, int4 = false, accuracy } = options;
  const merged = adapter === undefined ? model : mergeAdapter(model, adapter);
  const positions = Math.min(model.config.maxPositions, POSITIONS);
  const products = int4 ? 'int4' : 'f32';
  return decoderGraph(quantiseWeights(merged, products), { products, accuracy, positions });
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      out: { type: 'string' },
      adapter: { type: 'string' },
      int4: { type: 'boolean' },
    },
  });
  const { model, out, adapter, int4 } = values;
  if (model === undefined || out === undefined) throw new Error('--model DIR and --out FILE are needed');
  const weights = await collect(await openModelStream(folderSource(model)));
  const learnt = adapter === undefined ? undefined : await loadAdapter(folderSource(adapter), weights.config);
  const bytes = exportModel(weights, { adapter: learnt, int4 });
  await mkdir(dirname(out), { recursive: true });
  await writeFile(out, bytes);
  console.log(`${out}: ${bytes.length} bytes`);
}
