/** Quantised models as a whole: int4 against PyTorch on the weights that int4 keeps, int8 against PyTorch on the originals. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { folderSource } from '../../src/engine/loader-node';
import { readSafetensors } from '../../src/engine/safetensors';
import { openModelStream } from '../../src/engine/stream';
import type { EngineOptions, WeightDtype } from '../../src/engine/types';
import { conformance } from './conformance';
import { GOLDEN_MODELS, goldenDir, readGolden, relativeErrors } from './golden';

for (const tiles of ['cpu', 'gpu'] as const) {
  conformance(
    `the WebGPU engine with int4 weights and ${tiles} kernels`,
    async (dir, options) => {
      const stream = await openModelStream(folderSource(dir));
      const quantised = { ...options, tiles, dtype: 'int4', arithmetic: 'f32' } as const;
      return WebGpuEngine.create(await openNodeGpu(), stream, quantised);
    },
    GOLDEN_MODELS.map((model) => `int4/${model}`),
  );
}

/** Largest relative error of a tensor's weights, of logits, and of logits where large weights amplify every error. */
const BOUNDS: [WeightDtype, number, number, number][] = [
  ['f16', 4e-4, 1e-3, 2e-3],
  ['int8', 8e-3, 1e-2, 5e-2],
  ['int4', 0.12, 0.2, 0.7],
];

describe.each(GOLDEN_MODELS)('%s', (model) => {
  it.each(BOUNDS)(
    'as %s has weights within %d and logits within %d of PyTorch',
    async (dtype, weights, logits, worst) => {
      const golden = await readGolden(model);
      const engine = await open(model, dtype);
      for (const [i, { ids }] of golden.sequences.entries()) {
        const actual = await engine.logits({ ids, adapter: null });
        expect(relativeErrors(actual, golden.tensors.get(`logits.${i}`)!.data).norm).toBeLessThan(worst);
      }
      const matrices = [...golden.weights.tensors].filter(([, { shape }]) => shape.length === 2);
      const { errors, selfCheck } = await engine.report();
      expect(selfCheck!.error).toBeLessThan(1e-5);
      expect(errors.map(({ name }) => name).sort()).toEqual(matrices.map(([name]) => name).sort());
      for (const { name, relative } of errors) expect(relative, name).toBeLessThan(weights);
      await engine.dispose();

      const ordinary = await open(`initial/${model}`, dtype);
      const file = `${goldenDir(`initial/${model}`)}/golden.safetensors`;
      const tensors = readSafetensors(await readFile(file), file);
      const ids = Array.from(tensors.get('ids')!.data);
      const { norm } = relativeErrors(await ordinary.logits({ ids, adapter: null }), tensors.get('logits')!.data);
      expect(norm).toBeLessThan(logits);
      await ordinary.dispose();
    },
  );
});

async function open(model: string, dtype: WeightDtype, options: EngineOptions = {}): Promise<WebGpuEngine> {
  const stream = await openModelStream(folderSource(goldenDir(model)));
  return WebGpuEngine.create(await openNodeGpu(), stream, { dtype, maxRows: 4, maxLength: 64, ...options });
}

const adapter = await (await openNodeGpu()).requestAdapter();

describe.runIf(adapter?.features.has('shader-f16'))('products in f16', () => {
  it.each(GOLDEN_MODELS)('leave the logits of %s in int4 within 1 % of PyTorch on the same weights', async (model) => {
    const golden = await readGolden(`int4/${model}`);
    const engine = await open(`int4/${model}`, 'int4', { tiles: 'gpu', arithmetic: 'f16' });
    for (const [i, { ids }] of golden.sequences.entries()) {
      const actual = await engine.logits({ ids, adapter: null });
      const { norm } = relativeErrors(actual, golden.tensors.get(`logits.${i}`)!.data);
      expect(norm).toBeLessThan(1e-2);
      // In f32 they are within 1e-4.
      expect(norm).toBeGreaterThan(1e-4);
    }
    await engine.dispose();
  });
});

it('loads weights that int4 keeps without any error', async () => {
  const engine = await open('int4/llama', 'int4');
  const { errors } = await engine.report();
  expect(errors.map(({ relative }) => relative)).toEqual(errors.map(() => 0));
  expect(errors.length).toBeGreaterThan(10);
  await engine.dispose();
});
