/** `dequantize`: write the weights that a device computes with, so that anybody can load them elsewhere. */
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tensorShapes } from '../../../src/engine/config';
import { FileError } from '../../../src/engine/errors';
import { jsonObject, readJson, writeJson } from '../../../src/engine/json';
import { readRegular } from '../../../src/engine/regularFile-node';
import { layOutSafetensors } from '../../../src/engine/safetensors';
import { addErrors, emptySum, tensorError, weightsNotice, type ErrorSum } from '../../../src/engine/saturation';
import type { TensorPiece } from '../../../src/engine/stream';
import type { TensorError, WeightDtype } from '../../../src/engine/types';
import {
  choice,
  dtypeOption,
  readOptions,
  required,
  UsageError,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredKeys,
  ignoredIn,
} from '../args';
import { Output } from '../output';
import { describeErrors, summarise } from '../quantiserErrors';
import { openRepacker, type Repack } from '../repack';
import { problem } from '../files';
import { openModel } from '../session';

export const help = `polylogue dequantize --model DIR --dtype NAME --out DIR [options]

  --model DIR      folder in Hugging Face layout
  --dtype NAME     f16, int8 or int4 (groups of 32); f32 copies the values
  --out DIR        new folder: F32 safetensors with the values that the device computes with in this format, under the
                   names of Hugging Face, and the model's configuration and tokenizer
${ignoreHelp(16)}
  --engine NAME    which quantiser: auto, webgpu (packed and unpacked on the device) or reference (the host's); default auto
  --json           one JSON object per matrix: name, values, relative error √(Σ(w′ − w)² / Σw²), largest |w′ − w|, saturated
                   (how many weights of f16, or scales of int8 and int4, were too large for f16 and became its largest);
                   one more with the worst and the mean (weighted by values) relative error and the sum of saturated`;

/** What is copied beside the weights, where there is such a file. */
const COPIED = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
];
const WEIGHTS = 'model.safetensors';

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    dtype: { type: 'string' },
    out: { type: 'string' },
    engine: { type: 'string' },
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  required(values, 'dtype');
  const dtype = dtypeOption(values);
  const out = required(values, 'out');
  const engine = choice(values, 'engine', ['auto', 'webgpu', 'reference'] as const, 'auto');
  const model = await openModel(required(values, 'model'), ignoredKeys(values));
  if (existsSync(join(out, WEIGHTS))) throw new UsageError(`--out: ${join(out, WEIGHTS)} is there already`);

  // Before the work: what cannot be read is told at once.
  const beside = await readBeside(model.dir);
  const { head, places } = layOutSafetensors(tensorShapes(model.config));
  const repacker = await openRepacker(engine, dtype, output);
  const file = await createFile(out);
  const errors = new Map<string, ErrorSum>();
  try {
    await writeAt(file, head, 0);
    const sink = async (piece: TensorPiece): Promise<void> => {
      const kept = await repackPiece(repacker.repack, piece, dtype, errors);
      const first = (places.get(piece.name) as number) + 4 * piece.firstRow * rowLength(piece.shape);
      await writeAt(file, new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength), first);
    };
    const onProgress = (done: number, all: number): void => output.progress(`${Math.floor((100 * done) / all)} %`);
    await model.stream.read(sink, { onProgress });
    await file.close();
    await rename(join(out, `${WEIGHTS}.part`), join(out, WEIGHTS));
  } catch (error) {
    await file.close().catch(() => {});
    await rm(join(out, `${WEIGHTS}.part`), { force: true });
    throw error;
  } finally {
    repacker.dispose();
  }
  for (const [name, bytes] of beside) await writeFile(join(out, name), bytes);
  report(
    [...errors].map(([name, sum]) => tensorError(name, sum)),
    { dtype, out, quantiser: repacker.name, hash: model.stream.hash, ...ignoredIn(model.config) },
    output,
  );
}

/** The piece's values in the format, its share of the tensor's error counted. */
async function repackPiece(
  repack: Repack,
  { name, shape, data }: TensorPiece,
  dtype: WeightDtype,
  errors: Map<string, ErrorSum>,
): Promise<Float32Array> {
  // Norms and biases stay as they are.
  if (shape.length === 1 || dtype === 'f32') return data;
  const { kept, saturated } = await repack(data, rowLength(shape));
  const sum = errors.get(name) ?? emptySum();
  errors.set(name, sum);
  addErrors(sum, data, kept, saturated);
  return kept;
}

function report(
  errors: TensorError[],
  what: { dtype: WeightDtype; out: string } & Record<string, unknown>,
  output: Output,
): void {
  for (const error of errors) {
    output.object(error);
    const { name, relative, largest, saturated } = error;
    const cut = saturated > 0 ? `  ${saturated} too large for f16` : '';
    output.line(
      `${name.padEnd(44)} relative error ${relative.toExponential(3)}  largest ${largest.toExponential(3)}${cut}`,
    );
  }
  const summary = summarise(errors);
  output.object({
    ...what,
    mean: summary?.mean ?? 0,
    worst: summary?.worst ?? null,
    saturated: summary?.saturated ?? 0,
  });
  output.line(`written to ${what.out}: values of ${what.dtype} as F32`);
  if (summary) output.line(describeErrors(summary));
  const notice = weightsNotice({ dtype: what.dtype, errors });
  if (notice) output.note(notice);
}

function rowLength(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

async function createFile(out: string): Promise<FileHandle> {
  try {
    await mkdir(out, { recursive: true });
    return await open(join(out, `${WEIGHTS}.part`), 'w');
  } catch (error) {
    throw new FileError(out, problem(error), { cause: error });
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** What lies beside the new weights, by name. @throws FileError */
async function readBeside(from: string): Promise<Map<string, Uint8Array | string>> {
  const files = new Map<string, Uint8Array | string>();
  for (const name of COPIED) {
    const path = join(from, name);
    if (existsSync(path)) files.set(name, await readRegular(path));
  }
  return files.set('config.json', await newConfig(join(from, 'config.json')));
}

/** The model's configuration, except that the weights are F32 now: readers that believe it would round them again. */
async function newConfig(file: string): Promise<string> {
  const config = { ...jsonObject(readJson(await readRegular(file), file).value, file), torch_dtype: 'float32' };
  return writeJson({ ...config, dtype: undefined });
}
