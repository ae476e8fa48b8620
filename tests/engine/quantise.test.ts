/** The host's quantiser against the device's. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device';
import { createMatrix, MatrixPacker, readRows } from '../../src/engine/gpu/matrix';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { quantiseStream, quantiseValues, quantiseWeights, roundToHalf } from '../../src/engine/reference/quantise';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { drawUniform } from '../../src/random';
import { parseModelConfig, tensorShapes } from '../../src/engine/config';
import { MemoryPlanError } from '../../src/engine/errors';
import { collect, streamOf } from '../../src/engine/stream';
import type { ModelWeights, WeightDtype } from '../../src/engine/types';
import { TINY_CONFIG } from '../tasks/tinyChatModel';
import { openTestGpu } from './gpu';
import { readGolden, relativeErrors } from './golden';

const PACKED = ['f16', 'int8', 'int4'] as const;
let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

/** Numbers of all the sizes that weights have, some groups with a single large one, some all zero. */
function values(rows: number, columns: number, seed: number): Float32Array {
  const draw = (i: number): number => drawUniform({ seed, stream: 99 }, i);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const group = Math.floor(i / 32);
    const size = 10 ** (-7 + 8 * draw(1e6 + group));
    if (group % 11 === 5) return 0;
    return size * (2 * draw(i) - 1) * (group % 7 === 3 && i % 32 === 9 ? 40 : 1);
  });
}

const words = (data: Float32Array): Uint32Array => new Uint32Array(data.buffer, data.byteOffset, data.length);

async function onDevice(data: Float32Array, columns: number, dtype: WeightDtype): Promise<Float32Array> {
  const packer = new MatrixPacker(gpu);
  const rows = data.length / columns;
  const matrix = createMatrix(gpu, 'test', dtype, rows, columns);
  await packer.write('test', matrix, 0, data);
  const kept = await readRows(gpu, matrix, 0, rows);
  packer.dispose();
  gpu.destroyBuffer(matrix.buffer);
  return kept;
}

describe('the host quantises as the device does', () => {
  for (const dtype of PACKED) {
    it(`${dtype}, bit for bit`, async () => {
      for (const [rows, columns] of [
        [64, 576],
        [37, 36],
        [5, 4],
        [9, 100],
      ] as const) {
        const data = values(rows, columns, rows);
        const kept = quantiseValues(data, columns, dtype);
        expect(words(kept)).toEqual(words(await onDevice(data, columns, dtype)));
        // Packing what was unpacked changes nothing.
        expect(words(quantiseValues(kept, columns, dtype))).toEqual(words(kept));
      }
    });
  }

  it('rounds to f16 as IEEE 754 says', () => {
    const cases: [number, number][] = [
      [1 + 2 ** -11, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [2 ** -15, 0],
      [-(2 ** -14) - 2 ** -26, -(2 ** -14)],
      [65504, 65504],
      [65519.99, 65504],
      [65520, Infinity],
      [0, 0],
    ];
    for (const [value, wanted] of cases) expect(roundToHalf(Math.fround(value))).toBe(wanted);
  });
});

describe('the reference engine in a format', () => {
  it('computes with the weights that the device has, norms and biases untouched', async () => {
    const { weights, sequences } = await readGolden('qwen2');
    const ids = sequences[0]!.ids;
    for (const dtype of PACKED) {
      const kept = quantiseWeights(weights, dtype);
      const bias = 'model.layers.0.self_attn.q_proj.bias';
      expect(kept.tensors.get(bias)).toBe(weights.tensors.get(bias));
      const options = { maxRows: 1, maxAdapters: 1, maxRank: 4, maxLength: 64, dtype };
      const reference = await ReferenceEngine.create(weights, options);
      const device = await WebGpuEngine.create(await openNodeGpu(), weights, options);
      const plain = await ReferenceEngine.create(weights, { ...options, dtype: 'f32' });
      const request = { ids, adapter: null };
      const wanted = await reference.logits(request);
      expect(relativeErrors(await device.logits(request), wanted).norm).toBeLessThan(1e-5);
      // The fixture's weights are f16 numbers.
      if (dtype !== 'f16') expect(relativeErrors(await plain.logits(request), wanted).norm).toBeGreaterThan(1e-3);
      await device.dispose();
    }
  });

  it('packs a stream piece by piece to what it packs a model in memory to', async () => {
    const { weights } = await readGolden('qwen3');
    for (const dtype of PACKED) {
      const wanted = quantiseWeights(weights, dtype);
      // Some rows a piece.
      const kept = await collect(quantiseStream(streamOf(weights), dtype), { partBytes: 1000 });
      expect([...kept.tensors.keys()]).toEqual([...wanted.tensors.keys()]);
      for (const [name, { data }] of wanted.tensors) expect(words(kept.tensors.get(name)!.data)).toEqual(words(data));
    }
    expect(() => quantiseStream(streamOf(oddModel()), 'int4')).toThrow(/multiples of 4/);
  });

  it('reads a stream with progress and says what to do where the host has no memory for it', async () => {
    const { weights, sequences } = await readGolden('llama');
    const stream = streamOf(weights);
    const done: number[] = [];
    const options = { maxRows: 1, maxLength: 64, dtype: 'int8' } as const;
    const reference = await ReferenceEngine.create(stream, options, { onProgress: (bytes) => void done.push(bytes) });
    expect(done.at(-1)).toBe(stream.bytes);
    const request = { ids: sequences[0]!.ids, adapter: null };
    const inMemory = await ReferenceEngine.create(weights, options);
    expect(words(await reference.logits(request))).toEqual(words(await inMemory.logits(request)));

    const config = { ...weights.config, vocabSize: 2 ** 31 };
    const name = 'model.embed_tokens.weight';
    const shape = [config.vocabSize, config.hiddenSize];
    const huge = {
      ...stream,
      config,
      read: async (sink: Parameters<typeof stream.read>[0]) =>
        sink({ name, shape, firstRow: 0, data: new Float32Array(0) }),
    };
    await expect(ReferenceEngine.create(huge, options)).rejects.toThrow(MemoryPlanError);
    await expect(ReferenceEngine.create(huge, options)).rejects.toThrow(/browser with WebGPU/);
  });
});

/** A width that no format packs. */
function oddModel(): ModelWeights {
  const config = parseModelConfig({ ...TINY_CONFIG, hidden_size: 18, head_dim: 8 }, 'config.json');
  const tensors = new Map(
    [...tensorShapes(config)].map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) },
    ]),
  );
  return { config, tensors };
}
