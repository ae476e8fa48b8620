/** Keys and values in f16: what is stored, to the bit; and what a model computes with them, against the reference engine. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterTraits } from '../../src/engine/gpu/adapter';
import type { KernelConstants } from '../../src/engine/gpu/compile';
import type { Gpu } from '../../src/engine/gpu/device';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import type { KernelName } from '../../src/engine/gpu/kernels';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { Program } from '../../src/engine/gpu/program';
import { cacheDtype } from '../../src/engine/plan';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { random } from './backwardFixture';
import { GOLDEN_MODELS, readGolden, relativeErrors } from './golden';
import { openTestGpu } from './gpu';
import { halves } from './halves';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

/** Tokens of two rows, the second first; places that nobody writes lie between them. */
const ROW = [1, 0, 0, 1, 1];
const POS = [3, 0, 2, 0, 6];
/** The last is nobody's. */
const ROW_BASE = [9, 0, 0];
const PLACES = 17;

function list(numbers: readonly number[]): GPUBuffer {
  return gpu.upload('list', Uint32Array.from(numbers));
}

/** How many numbers the last kernel found too large. */
let saturated = 0;

/** Words of the cache after a kernel has run that takes one invocation for each pair of a token. */
async function stored(
  kernel: KernelName,
  constants: KernelConstants,
  inputs: GPUBuffer[],
  pairs: number,
  words: number,
): Promise<Uint32Array> {
  const cache = gpu.upload('cache', new Uint32Array(PLACES * words).fill(0x7fc07e00));
  const counter = gpu.upload('saturated', Uint32Array.of(7));
  const program = new Program(gpu, 'test');
  program.add(kernel, constants, [...inputs, cache, counter], [ROW.length], [Math.ceil(pairs / 64), ROW.length]);
  program.submit();
  saturated = new Uint32Array(await gpu.read(counter))[0]! - 7;
  return new Uint32Array(await gpu.read(cache));
}

/** Finite numbers beyond the largest f16. */
function tooLarge(numbers: Float32Array): number {
  return numbers.filter((value) => Number.isFinite(value) && Math.abs(value) > 65504).length;
}

/** The words of all places: each token's where it belongs, and elsewhere what was there before. */
function placed(tokens: Uint32Array, words: number): Uint32Array {
  const wanted = new Uint32Array(PLACES * words).fill(0x7fc07e00);
  ROW.forEach((row, t) => {
    wanted.set(tokens.subarray(t * words, (t + 1) * words), (ROW_BASE[row]! + POS[t]!) * words);
  });
  return wanted;
}

describe('values', () => {
  it.each([2, 6, 14, 128, 258])('are stored as the nearest f16, %d a token', async (width) => {
    const x = random(ROW.length * width).map((value, i) => value * 2 ** ((i % 34) - 17));
    // Ties to either side, the largest, what is too large, what is subnormal, both zeros, what is no number.
    x.set(
      [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65504, -65519, 65520, -1e30, 2 ** -14, 2 ** -15, -0, Infinity].slice(
        0,
        x.length,
      ),
    );
    const inputs = [gpu.upload('x', x), list(ROW), list(POS), list(ROW_BASE)];
    const constants = { PAIRS: width / 2, CACHE: 'f16' };
    expect(await stored('cache_store', constants, inputs, width / 2, width / 2)).toEqual(placed(halves(x), width / 2));
    expect(saturated).toBe(tooLarge(x));
    const whole = await stored('cache_store', { ...constants, CACHE: 'f32' }, inputs, width / 2, width);
    expect(whole).toEqual(placed(new Uint32Array(x.buffer), width));
    expect(saturated).toBe(0);
  });
});

describe('keys', () => {
  it.each([
    { heads: 3, headDim: 2 },
    { heads: 2, headDim: 6 },
    { heads: 1, headDim: 14 },
    { heads: 5, headDim: 64 },
  ])('are stored as the f16 nearest to what they are in f32: $heads heads of $headDim', async ({ heads, headDim }) => {
    const width = heads * headDim;
    const x = random(ROW.length * width).map((value) => 100 * value);
    x[1] = 9e4;
    const turns = new Float32Array(8 * headDim).map((_, i) => {
      const angle = Math.floor(i / headDim) * 3 ** -(Math.floor(i / 2) % (headDim / 2));
      return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
    });
    const inputs = [gpu.upload('x', x), list(POS), gpu.upload('turns', turns), list(ROW), list(ROW_BASE)];
    const constants = { HEADS: heads, HEAD_DIM: headDim, CACHED: true, CACHE: 'f32' };
    const whole = await stored('rope_forward', constants, inputs, width / 2, width);
    const values = new Float32Array(ROW.length * width);
    ROW.forEach((row, t) => {
      const at = (ROW_BASE[row]! + POS[t]!) * width;
      values.set(new Float32Array(whole.buffer, at * 4, width), t * width);
      for (let i = 0; i < width; i++) {
        const [head, index] = [Math.floor(i / headDim) * headDim, i % headDim];
        const half = headDim / 2;
        const turn = (POS[t]! * half + (index % half)) * 2;
        const other = x[t * width + head + ((index + half) % headDim)]! * turns[turn + 1]!;
        const wanted = x[t * width + i]! * turns[turn]! + (index < half ? -other : other);
        expect(Math.abs(values[t * width + i]! - wanted)).toBeLessThan(1e-6 * (Math.abs(wanted) + Math.abs(other) + 1));
      }
    });
    const words = await stored('rope_forward', { ...constants, CACHE: 'f16' }, inputs, width / 2, width / 2);
    expect(words).toEqual(placed(halves(values), width / 2));
    expect(saturated).toBe(tooLarge(values));
  });
});

/**
 * Largest relative error of logits against the reference engine with the same cache (a number beside a tie may be rounded the other
 * way), and against its cache in f32.
 */
const SAME = 2e-4;
const ROUNDED = 2e-3;

describe.each(GOLDEN_MODELS)('%s over a cache in f16', (model) => {
  it.each(['cpu', 'gpu'] as const)('has the logits of the reference engine with %s kernels', async (tiles) => {
    const golden = await readGolden(model);
    const options = { maxRows: 3, maxAdapters: 1, maxRank: 8, maxLength: 64 };
    const engines = [
      await WebGpuEngine.create(await openNodeGpu(), golden.weights, { ...options, tiles, cache: 'f16' }),
      await ReferenceEngine.create(golden.weights, { ...options, cache: 'f16' }),
      await ReferenceEngine.create(golden.weights, options),
    ];
    for (const engine of engines) await engine.importAdapter('adapter', golden.adapter);
    for (const { ids } of golden.sequences) {
      for (const adapter of [null, 'adapter']) {
        const [device, same, whole] = await Promise.all(engines.map((engine) => engine.logits({ ids, adapter })));
        expect(relativeErrors(device!, same!).norm).toBeLessThan(SAME);
        expect(relativeErrors(device!, whole!).norm).toBeLessThan(ROUNDED);
        expect(relativeErrors(same!, whole!).norm).toBeGreaterThan(SAME / 2);
      }
    }
    for (const engine of engines) await engine.dispose();
  });
});

describe('the format of the cache', () => {
  const engines: WebGpuEngine[] = [];
  afterAll(() => Promise.all(engines.map((engine) => engine.dispose())));

  it('goes with the arithmetic of packed weights unless it is asked for', () => {
    expect(cacheDtype({}, 'f16')).toBe('f32');
    expect(cacheDtype({ dtype: 'f32', cache: 'auto' }, 'f16')).toBe('f32');
    for (const dtype of ['f16', 'int8', 'int4'] as const) {
      expect(cacheDtype({ dtype }, 'f16')).toBe('f16');
      expect(cacheDtype({ dtype }, 'f32')).toBe('f32');
      expect(cacheDtype({ dtype, cache: 'f32' }, 'f16')).toBe('f32');
    }
    expect(cacheDtype({ cache: 'f16' }, 'f32')).toBe('f16');
  });

  it('is reported, and known of the adapter before a device is opened', async () => {
    const { weights } = await readGolden('llama');
    const adapter = await (await openNodeGpu()).requestAdapter();
    for (const tiles of ['cpu', 'gpu'] as const) {
      for (const dtype of ['f32', 'int4'] as const) {
        const options = { maxRows: 1, maxLength: 8, selfCheck: false, tiles, dtype };
        const engine = await WebGpuEngine.create(await openNodeGpu(), weights, options);
        engines.push(engine);
        const { arithmetic } = adapterTraits(adapter!, tiles);
        const cache = cacheDtype(options, arithmetic);
        expect((await engine.report()).cache).toBe(cache);
        expect(engine.info).toMatchObject({ cache, arithmetic: dtype === 'f32' ? 'f32' : arithmetic });
      }
    }
  });

  it('follows what an adapter has to offer', () => {
    const traits = (description: string, feature: string, tiles?: 'cpu' | 'gpu') =>
      adapterTraits(
        {
          info: { vendor: '', architecture: '', device: '', description } as GPUAdapterInfo,
          features: new Set([feature]) as unknown as GPUSupportedFeatures,
        },
        tiles,
      );
    expect(traits('Radeon', 'shader-f16')).toEqual({
      description: 'Radeon',
      software: false,
      isCpu: false,
      arithmetic: 'f16',
    });
    expect(traits('Radeon', 'subgroups').arithmetic).toBe('f32');
    expect(traits('llvmpipe', 'shader-f16')).toMatchObject({ software: true, isCpu: true, arithmetic: 'f32' });
    for (const device of ['google SwiftShader', 'Microsoft Basic Render Driver']) {
      expect(traits(device, '')).toMatchObject({ software: true, isCpu: true });
    }
    expect(traits('llvmpipe', 'shader-f16', 'gpu')).toMatchObject({ software: true, isCpu: false, arithmetic: 'f16' });
    expect(traits('Radeon', 'shader-f16', 'cpu').arithmetic).toBe('f32');
  });
});
