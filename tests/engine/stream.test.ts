/** A model in pieces: every row once, the right values, in bounded memory, whatever the source can do. */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseModelConfig, tensorShapes } from '../../src/engine/config';
import { FileError, SafetensorsError, WeightValueError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { dataStart } from '../../src/engine/safetensors';
import { openFile, type FileSource } from '../../src/engine/source';
import { collect, openModelStream, streamOf, type ModelStream, type TensorPiece } from '../../src/engine/stream';
import { drawUint } from '../../src/random';
import { GOLDEN_MODELS, goldenDir } from './golden';
import { loadModel } from './loadModel';
import {
  decode,
  memorySource,
  rangedSource,
  sameBits,
  weightFile,
  type FileTensor,
  type ReadRecord,
} from './weightFile';

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 3000,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
const SHAPES = tensorShapes(parseModelConfig(CONFIG, 'config.json'));
const EMBEDDING = 'model.embed_tokens.weight';
const UP = 'model.layers.1.mlp.up_proj.weight';

/** Finite values: with one exponent bit cleared none is NaN or infinite. */
function noise(count: number, dtype: FileTensor['dtype'], seed: number): Uint8Array {
  const words = Uint16Array.from({ length: dtype === 'F32' ? 2 * count : count }, (_, i) => {
    const mask = dtype === 'F32' && i % 2 === 0 ? 0xffff : 0xbfff;
    return drawUint({ seed, stream: 7 }, i) & mask;
  });
  return new Uint8Array(words.buffer);
}

function bigTensors(dtypes: FileTensor['dtype'][] = ['BF16', 'F16', 'F32']): Map<string, FileTensor> {
  const tensors = new Map<string, FileTensor>();
  for (const [i, [name, shape]] of [...SHAPES].entries()) {
    const dtype = dtypes[i % dtypes.length];
    const count = shape.reduce((product, size) => product * size, 1);
    tensors.set(name, { dtype, shape, bytes: noise(count, dtype, i) });
    // What real files have besides: buffers of older versions.
    const attention = 'model.layers.0.self_attn';
    if (i === 3)
      tensors.set(`${attention}.rotary_emb.inv_freq`, { dtype: 'F32', shape: [3], bytes: noise(3, 'F32', 99) });
    if (i === 4) tensors.set('model.rotary_emb.inv_freq', { dtype: 'I64', shape: [1, 6], bytes: new Uint8Array(48) });
  }
  return tensors;
}

function filesOf(tensors: ReadonlyMap<string, FileTensor>): Record<string, Uint8Array> {
  return {
    'config.json': new TextEncoder().encode(JSON.stringify(CONFIG)),
    'model.safetensors': weightFile(tensors),
  };
}

const sha256 = (...parts: Uint8Array[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

/** Reads a stream and checks the contract of the pieces; the tensors that came out, in order. */
async function readChecked(stream: ModelStream, partBytes?: number): Promise<Map<string, Float32Array>> {
  const shapes = tensorShapes(stream.config);
  const next = new Map<string, number>();
  const tensors = new Map<string, Float32Array>();
  const take = ({ name, shape, firstRow, data }: TensorPiece): void => {
    expect(shape).toEqual(shapes.get(name));
    expect(firstRow).toBe(next.get(name) ?? 0);
    const rowValues = shape.slice(1).reduce((product, size) => product * size, 1);
    expect(data.length % rowValues).toBe(0);
    expect(data.length).toBeGreaterThan(0);
    if (partBytes !== undefined) expect(data.length).toBeLessThanOrEqual(Math.max(rowValues, partBytes / 2));
    const tensor = tensors.get(name) ?? new Float32Array(shape[0] * rowValues);
    tensor.set(data, firstRow * rowValues);
    tensors.set(name, tensor);
    next.set(name, firstRow + data.length / rowValues);
  };
  await stream.read(take, partBytes === undefined ? {} : { partBytes });
  for (const [name, shape] of shapes) expect([name, next.get(name)]).toEqual([name, shape[0]]);
  return tensors;
}

async function goldenFiles(model: string): Promise<Uint8Array[]> {
  const names = (await readdir(goldenDir(model))).filter((name) => /^model.*\.safetensors$/.test(name)).sort();
  return Promise.all(names.map((name) => readFile(`${goldenDir(model)}/${name}`)));
}

describe('a model stream', () => {
  // BF16 in one file, F16 in one file, F32 in two.
  it.each(GOLDEN_MODELS)(
    'hands out every row of %s once with the files’ values, in pieces of any size',
    async (model) => {
      const files = await goldenFiles(model);
      const wanted = new Map(files.flatMap((file) => [...decode(file)]));
      const stream = await openModelStream(folderSource(goldenDir(model)));
      expect(stream.bytes).toBe(files.reduce((sum, file) => sum + file.length, 0));
      expect(stream.hash).toBeNull();
      for (const partBytes of [undefined, 1, 129, 1000, 4096]) {
        const tensors = await readChecked(stream, partBytes);
        expect([...tensors.keys()].sort()).toEqual([...tensorShapes(stream.config).keys()].sort());
        for (const [name, data] of tensors)
          expect([name, sameBits(data, wanted.get(name)?.data)]).toEqual([name, true]);
        expect(stream.hash).toBe(sha256(...files));
      }
      const { weights, hash } = await loadModel(folderSource(goldenDir(model)));
      expect(hash).toBe(sha256(...files));
      for (const [name, { shape, data }] of weights.tensors) {
        expect(shape).toEqual(wanted.get(name)?.shape);
        expect([name, sameBits(data, wanted.get(name)?.data)]).toEqual([name, true]);
      }
    },
  );

  it('mixes formats, leaves out what nobody asks for, and goes by the bytes’ order, not the header’s', async () => {
    const files = filesOf(bigTensors());
    const wanted = decode(files['model.safetensors']);
    for (const make of [memorySource, rangedSource]) {
      const stream = await openModelStream(make(files));
      const tensors = await readChecked(stream, 1111);
      expect([...tensors.keys()]).toEqual([...SHAPES.keys()]);
      for (const [name, data] of tensors) expect([name, sameBits(data, wanted.get(name)?.data)]).toEqual([name, true]);
      expect(stream.hash).toBe(sha256(files['model.safetensors']));
    }
  });

  it('can be read again', async () => {
    const stream = await openModelStream(folderSource(goldenDir('qwen3')));
    const first = await readChecked(stream);
    expect(await readChecked(stream)).toEqual(first);
  });

  it('awaits the sink before the next piece and counts bytes up to the end', async () => {
    const source = rangedSource(filesOf(bigTensors()));
    const stream = await openModelStream(source);
    let busy = 0;
    const progress: number[] = [];
    await stream.read(
      async () => {
        expect(++busy).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        busy--;
      },
      { partBytes: 5000, onProgress: (done, total) => progress.push(done / total) },
    );
    expect(progress.at(-1)).toBe(1);
    expect(progress).toEqual(progress.slice().sort((a, b) => a - b));
  });

  it('reads by ranges no larger than a part, at most one ahead, and each byte once', async () => {
    const partBytes = 10_000;
    const files = filesOf(bigTensors());
    const source = rangedSource(files);
    const stream = await openModelStream(source);
    expect(source.reads).toHaveLength(1);
    const headBytes = dataStart(files['model.safetensors'], stream.bytes, 'f');
    source.reads.length = 0;
    let done = headBytes;
    let mostAhead = 0;
    await stream.read(
      () => {
        const ahead = (source.reads.at(-1) as ReadRecord).to - done;
        mostAhead = Math.max(mostAhead, ahead);
        expect(ahead).toBeLessThanOrEqual(2 * partBytes);
      },
      { partBytes, onProgress: (bytesDone) => void (done = bytesDone) },
    );
    expect(mostAhead).toBeGreaterThan(partBytes);
    expect(Math.max(...source.reads.map(({ from, to }) => to - from))).toBeLessThanOrEqual(partBytes);
    expect(source.reads.length).toBeGreaterThan(10);
    for (const [i, { from }] of source.reads.entries()) if (i > 0) expect(from).toBe(source.reads[i - 1].to);
    expect(source.reads[0].from).toBe(headBytes);
    expect(source.reads.at(-1)?.to).toBe(stream.bytes);
  });

  it('by itself asks for at most 8 MiB at once', async () => {
    const config = { ...CONFIG, vocab_size: 200_000 };
    const tensors = bigTensors(['F16']);
    tensors.set(EMBEDDING, { dtype: 'F16', shape: [200_000, 24], bytes: new Uint8Array(2 * 24 * 200_000) });
    const files = { ...filesOf(tensors), 'config.json': new TextEncoder().encode(JSON.stringify(config)) };
    const source = rangedSource(files);
    let largest = 0;
    await (await openModelStream(source)).read(({ data }) => void (largest = Math.max(largest, data.byteLength)));
    expect(Math.max(...source.reads.map(({ from, to }) => to - from))).toBeLessThanOrEqual(2 ** 23);
    expect(largest).toBeGreaterThan(2 ** 23);
    expect(largest).toBeLessThanOrEqual(2 ** 24);
  });

  it('reads a header longer than the first read', async () => {
    const tensors = bigTensors();
    for (let i = 0; i < 2000; i++) {
      tensors.set(`model.layers.${i + 1000}.self_attn.rotary_emb.inv_freq`, {
        dtype: 'F16',
        shape: [1],
        bytes: new Uint8Array(2),
      });
    }
    const files = filesOf(tensors);
    const stream = await openModelStream(rangedSource(files));
    const read = await readChecked(stream, 9000);
    expect(read.get(UP)).toEqual(decode(files['model.safetensors']).get(UP)?.data);
    expect(stream.hash).toBe(sha256(files['model.safetensors']));
  });

  it('takes a known hash and then reads only what is asked for', async () => {
    const files = filesOf(bigTensors());
    const source = { ...rangedSource(files), sha256: async () => 'ab'.repeat(32) };
    const stream = await openModelStream(source);
    source.reads.length = 0;
    const tensors = await readChecked(stream, 4000);
    expect(tensors.get(UP)).toEqual(decode(files['model.safetensors']).get(UP)?.data);
    expect(stream.hash).toBe('ab'.repeat(32));
    const wanted = [...bigTensors()].filter(([name]) => SHAPES.has(name));
    expect(source.reads.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(
      wanted.reduce((sum, [, { bytes }]) => sum + bytes.length, 0),
    );
    const unknown = await openModelStream({ ...rangedSource(files), sha256: async () => null });
    await readChecked(unknown);
    expect(unknown.hash).toBe(sha256(files['model.safetensors']));
  });
});

describe('a model stream refuses', () => {
  it.each([
    ['BF16', [0xc0, 0x7f], 'NaN'],
    ['BF16', [0x80, 0xff], '-Infinity'],
    ['F16', [0x01, 0x7e], 'NaN'],
    ['F16', [0x00, 0x7c], 'Infinity'],
    ['F32', [0, 0, 0xc0, 0xff], 'NaN'],
    ['F32', [0, 0, 0x80, 0x7f], 'Infinity'],
  ] as const)('a weight in %s that is %j (%s), with its index in the tensor', async (dtype, value, text) => {
    const tensors = bigTensors([dtype]);
    const index = 24 * 17 + 5;
    tensors.get(UP)?.bytes.set(value, index * value.length);
    const stream = await openModelStream(memorySource(filesOf(tensors)));
    const read = stream.read(() => {}, { partBytes: 300 });
    await expect(read).rejects.toThrow(WeightValueError);
    await expect(read).rejects.toThrow(`memory/model.safetensors: tensor ${UP} holds ${text} at index ${index}`);
    expect(stream.hash).toBeNull();
  });

  it('missing and misshapen tensors before it hands out any', async () => {
    const tensors = bigTensors();
    tensors.set(UP, { ...(tensors.get(UP) as FileTensor), shape: [24, 40] });
    await expect(openModelStream(memorySource(filesOf(tensors)))).rejects.toThrow(/has shape \[24, 40\], config\.json/);
    tensors.delete(UP);
    await expect(openModelStream(memorySource(filesOf(tensors)))).rejects.toThrow(SafetensorsError);
  });

  it('a file that is cut short while it is read', async () => {
    const files = filesOf(bigTensors());
    const stream = await openModelStream(rangedSource(files));
    files['model.safetensors'] = files['model.safetensors'].subarray(0, 70_000);
    const read = stream.read(() => {}, { partBytes: 8000 });
    await expect(read).rejects.toThrow(FileError);
    await expect(read).rejects.toThrow(/memory\/model\.safetensors: is truncated: 70000 of \d+ bytes/);
  });

  it('a file that has changed since it was first read', async () => {
    const files = filesOf(bigTensors());
    const stream = await openModelStream(rangedSource(files));
    await stream.read(() => {});
    const { hash } = stream;
    files['model.safetensors'] = Uint8Array.from(files['model.safetensors']);
    files['model.safetensors'][stream.bytes - 3] ^= 1;
    await expect(stream.read(() => {})).rejects.toThrow(/was changed since it was first read/);
    expect(stream.hash).toBe(hash);
  });
});

describe('a model stream ends early', () => {
  /** A stream from disk, and how many of its files are open. */
  async function opened(): Promise<{ stream: ModelStream; stillOpen: () => number }> {
    const folder = folderSource(goldenDir('qwen3'));
    const held = new Set<string>();
    const source: FileSource = {
      ...folder,
      open(path) {
        const file = openFile(folder, path);
        const hold = <T>(result: T): T => (held.add(path), result);
        return {
          size: () => hold(file.size()),
          read: (...range) => hold(file.read(...range)),
          close: async () => void (await file.close(), held.delete(path)),
        };
      },
    };
    return { stream: await openModelStream(source), stillOpen: () => held.size };
  }

  it('when it is aborted, before and in between, with the signal’s reason', async () => {
    const { stream, stillOpen } = await opened();
    const reason = new Error('the visitor chose another model');
    await expect(stream.read(() => expect.fail(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    let pieces = 0;
    const read = stream.read(() => void (++pieces === 5 && controller.abort(reason)), { signal: controller.signal });
    await expect(read).rejects.toBe(reason);
    expect(pieces).toBe(5);
    expect(stillOpen()).toBe(0);
    expect(stream.hash).toBeNull();
    await readChecked(stream);
  });

  it('when the sink fails, with its error', async () => {
    const { stream, stillOpen } = await opened();
    const error = new Error('out of device memory');
    await expect(stream.read(() => Promise.reject(error), { partBytes: 500 })).rejects.toBe(error);
    expect(stillOpen()).toBe(0);
    expect(stream.hash).toBeNull();
  });
});

describe('an in-memory model', () => {
  it('is a stream of the same tensors, and back', async () => {
    const { weights } = await loadModel(folderSource(goldenDir('qwen2')));
    const stream = streamOf(weights);
    expect(stream.bytes).toBe([...weights.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0));
    for (const partBytes of [undefined, 1, 700]) {
      for (const [name, data] of await readChecked(stream, partBytes))
        expect(sameBits(data, weights.tensors.get(name)?.data)).toBe(true);
    }
    expect(await collect(stream)).toEqual(weights);
    expect(stream.hash).toBeNull();
  });

  it('is refused when a tensor is missing or of the wrong shape', async () => {
    const { weights } = await loadModel(folderSource(goldenDir('qwen2')));
    const tensors = new Map(weights.tensors);
    tensors.set('model.norm.weight', { shape: [1], data: Float32Array.of(1) });
    expect(() => streamOf({ ...weights, tensors })).toThrow(/model\.norm\.weight has shape \[1\]/);
    tensors.delete('model.norm.weight');
    expect(() => streamOf({ ...weights, tensors })).toThrow(SafetensorsError);
  });
});
