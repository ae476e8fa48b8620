/** Formats of the weights on the command line: what is computed, written and planned. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderSource } from '../../src/engine/loader-node';
import { planModel } from '../../src/engine/plan';
import type { MemoryPlan } from '../../src/engine/types';
import { quantiseWeights } from '../../src/engine/reference/quantise';
import { shapeConfig } from '../../src/engine/shapes';
import { collect, openModelStream } from '../../src/engine/stream';
import { perplexityOf, windowsOf } from '../../src/engine/perplexity';
import { START } from '../tasks/byteTokenizer';
import { beginningTokenizer, tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { expectRefusal, objects, polylogue } from './program';

const MODEL = 'static/models/arithmetic-0.4m';
const LLAMA = 'tests/fixtures/golden/llama';
let scratch = '';

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-formats-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Log-probabilities of a few ids. */
function score(...args: string[]): number[] {
  const ended = polylogue('score', '--ids', '1,5,7,9,3,2,8', '--json', ...args);
  expect(ended.err).toBe('');
  return objects(ended.out)[0]?.['logprobs'] as number[];
}

const distance = (a: number[], b: number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe('dequantize', () => {
  it('writes what the device computes with: its F32 scores as the packed model does', async () => {
    for (const dtype of ['int8', 'int4']) {
      const out = join(scratch, dtype);
      const lines = objects(polylogue('dequantize', '--model', LLAMA, '--dtype', dtype, '--out', out, '--json').out);
      const packed = score('--model', LLAMA, '--dtype', dtype, '--engine', 'webgpu');
      expect(distance(score('--model', out, '--engine', 'webgpu'), packed)).toBeLessThan(1e-5);
      expect(distance(score('--model', LLAMA, '--engine', 'webgpu'), packed)).toBeGreaterThan(1e-3);

      const [given, written] = await Promise.all(
        [LLAMA, out].map(async (dir) => collect(await openModelStream(folderSource(dir)))),
      );
      const wanted = quantiseWeights(given!, dtype as 'int4');
      for (const [name, { data }] of wanted.tensors) {
        const kept = written!.tensors.get(name)!.data;
        // Zero times a negative scale is −0: the same number.
        expect(kept.every((value, i) => value === data[i])).toBe(true);
      }
      const { mean, worst } = lines.at(-1) as { mean: number; worst: { name: string; relative: number } };
      const errors = lines.slice(0, -1) as { name: string; relative: number }[];
      // The embedding, two layers of seven projections, the head where it is not tied; norms are not packed.
      expect(errors.length).toBeGreaterThanOrEqual(15);
      expect(worst.relative).toBe(Math.max(...errors.map(({ relative }) => relative)));
      expect(mean).toBeGreaterThan(0);
      expect(mean).toBeLessThanOrEqual(worst.relative);
    }
  });

  it('is the same by the host, copies the tokenizer, and changes nothing the second time', () => {
    const dequantize = (model: string, out: string, engine: string): void => {
      const ended = polylogue(
        'dequantize',
        '--model',
        model,
        '--dtype',
        'int4',
        '--out',
        join(scratch, out),
        '--engine',
        engine,
      );
      expect(ended.code).toBe(0);
    };
    const weights = (dir: string): Buffer => readFileSync(join(scratch, dir, 'model.safetensors'));
    dequantize(MODEL, 'device', 'webgpu');
    dequantize(MODEL, 'host', 'reference');
    dequantize(join(scratch, 'device'), 'again', 'webgpu');
    const floats = (dir: string): Float32Array => {
      const bytes = weights(dir);
      const start = 8 + Number(bytes.readBigUInt64LE(0));
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
    };
    const device = floats('device');
    for (const other of ['host', 'again']) expect(floats(other).every((value, i) => value === device[i])).toBe(true);
    expect(readFileSync(join(scratch, 'device', 'tokenizer.json'))).toEqual(
      readFileSync(join(MODEL, 'tokenizer.json')),
    );
    const config = JSON.parse(readFileSync(join(scratch, 'device', 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config['torch_dtype']).toBe('float32');
    expect(config).not.toHaveProperty('dtype');
    expectRefusal(
      polylogue('dequantize', '--model', MODEL, '--dtype', 'int4', '--out', join(scratch, 'device')),
      'is there already',
    );
  });

  it('leaves nothing half written when the model is broken', () => {
    const broken = join(scratch, 'absent');
    expectRefusal(
      polylogue('dequantize', '--model', broken, '--dtype', 'int4', '--out', join(scratch, 'none')),
      broken,
    );
    expect(existsSync(join(scratch, 'none'))).toBe(false);
    expectRefusal(polylogue('dequantize', '--model', MODEL, '--out', join(scratch, 'none')), '--dtype');
    expectRefusal(polylogue('score', '--model', MODEL, '--ids', '1,2', '--dtype', 'int3'), 'int3', 'int4');
  });
});

describe('perplexity of a text', () => {
  it('predicts every token but the first once', () => {
    for (const [length, size] of [
      [2, 2],
      [10, 4],
      [10, 10],
      [11, 4],
      [7, 100],
    ] as const) {
      const ids = Array.from({ length }, (_, i) => i);
      expect(windowsOf(ids, size).flatMap((window) => window.slice(1))).toEqual(ids.slice(1));
      for (const window of windowsOf(ids, size)) expect(window.length).toBeLessThanOrEqual(size);
    }
  });

  it('is exp of the mean negative log-probability', async () => {
    const engine = {
      score: async (rows: { ids: ArrayLike<number> }[]) =>
        rows.map(({ ids }) => Float32Array.from({ length: ids.length - 1 }, (_, t) => -(ids[t + 1] as number) / 8)),
    };
    const ids = [9, 1, 2, 3, 4, 5, 6];
    const result = await perplexityOf(engine as never, null, ids, 3, () => {});
    expect(result.nll).toBeCloseTo((1 + 2 + 3 + 4 + 5 + 6) / 8 / 6, 12);
    expect(result.perplexity).toBeCloseTo(Math.exp(result.nll), 12);
  });

  it('compares formats on the tokens of a file', () => {
    const file = join(scratch, 'text.txt');
    writeFileSync(file, '7+3*4+5-6*7\n1+2*3+4-5*6\n'.repeat(8));
    const args = ['score', '--model', MODEL, '--text', file, '--window', '32', '--engine', 'reference', '--json'];
    const [result] = objects(polylogue(...args, '--dtype', 'int4', '--against', 'f32').out);
    const { tokens, scored, windows, results } = result as {
      tokens: number;
      scored: number;
      windows: number;
      results: { dtype: string; nll: number; perplexity: number }[];
    };
    expect(scored).toBe(tokens - 1);
    expect(windows).toBe(Math.ceil((tokens - 1) / 31));
    expect(results.map(({ dtype }) => dtype)).toEqual(['int4', 'f32']);
    for (const { nll, perplexity } of results) expect(perplexity).toBeCloseTo(Math.exp(nll), 9);
    expect(results[0]?.nll).not.toBe(results[1]?.nll);
    const device = [
      ...args.filter((arg) => arg !== 'reference' && arg !== '--engine'),
      '--engine',
      'webgpu',
      '--dtype',
      'int4',
    ];
    const [onDevice] = objects(polylogue(...device).out) as [{ results: typeof results & { quantiser: unknown }[] }];
    expect(onDevice.results[0]!.nll).toBeCloseTo(results[0]!.nll, 4);
    expect(onDevice.results[0]!.quantiser).toMatchObject({ worst: { relative: expect.any(Number) as number } });
    const [limited] = objects(polylogue(...args, '--limit', '10').out);
    expect(limited).toMatchObject({ tokens: 10, windows: 1 });
    expectRefusal(polylogue('score', '--model', MODEL), '--ids', '--text');
    expectRefusal(polylogue('score', '--model', MODEL, '--ids', '1,2', '--window', '8'), '--window');
  });

  it("predicts the text's first token too where the tokenizer begins texts by itself", () => {
    const model = join(scratch, 'beginning');
    mkdirSync(model, { recursive: true });
    for (const [name, bytes] of Object.entries(tinyFiles(tinyWeights()))) writeFileSync(join(model, name), bytes);
    const file = join(scratch, 'letters.txt');
    writeFileSync(file, 'abc');
    const measure = (...args: string[]): unknown =>
      objects(polylogue('score', '--model', model, '--engine', 'reference', '--json', ...args).out)[0];
    const bytes = '97,98,99';
    const nll = (ids: string): number => {
      const { logprobs } = measure('--ids', ids) as { logprobs: number[] };
      return -logprobs.reduce((a, b) => a + b, 0) / logprobs.length;
    };
    const results = (ids: string): unknown => [expect.objectContaining({ nll: expect.closeTo(nll(ids), 6) as number })];
    expect(measure('--text', file)).toMatchObject({ tokens: 3, scored: 2, results: results(bytes) });
    writeFileSync(join(model, 'tokenizer.json'), beginningTokenizer());
    expect(measure('--text', file)).toMatchObject({ tokens: 3, scored: 3, results: results(`${START},${bytes}`) });
    expect(measure('--text', file, '--limit', '2')).toMatchObject({ tokens: 2, scored: 2 });
  });
});

describe('formats elsewhere', () => {
  it('plans without weights', () => {
    const args = ['--dtype', 'int4', '--rows', '24', '--length', '512', '--adapters', '6', '--rank', '8'];
    const [planned] = objects(
      polylogue('plan', '--shape', 'Qwen2.5-0.5B', ...args, '--train-tokens', '3072', '--json').out,
    );
    const config = shapeConfig('Qwen2.5-0.5B');
    const options = { dtype: 'int4', maxRows: 24, maxLength: 512, maxAdapters: 6, maxRank: 8 } as const;
    expect(planned).toMatchObject({
      parameters: 494_032_768,
      plan: planModel(config, options, { tokens: 3072, targets: 3072, tracks: 6 }),
    });
    const [halved] = objects(polylogue('plan', '--shape', 'Qwen2.5-0.5B', ...args, '--cache', 'f16', '--json').out);
    expect(halved).toMatchObject({ plan: planModel(config, { ...options, cache: 'f16' }) });
    expect(2 * (halved!['plan'] as MemoryPlan).kvCache).toBe((planned!['plan'] as MemoryPlan).kvCache);
    expectRefusal(polylogue('plan', '--shape', 'Qwen2.5-0.5B', '--cache', 'int8'), '--cache', 'auto, f32, f16');
    expect(polylogue('plan', '--model', LLAMA).out).toContain('largest buffer');
    expectRefusal(polylogue('plan', '--shape', 'GPT-9'), 'GPT-9', 'Qwen2.5-0.5B');
    expectRefusal(polylogue('plan'), '--shape');
  });

  it('generates, trains and runs with packed weights; PyTorch refuses', () => {
    const ids = ['--ids', '1,5,7', '--max-tokens', '4', '--temperature', '0', '--json'];
    const generate = (dtype: string, engine: string): unknown =>
      objects(polylogue('generate', '--model', LLAMA, ...ids, '--dtype', dtype, '--engine', engine).out)[0]?.['ids'];
    expect(generate('int4', 'webgpu')).toEqual(generate('int4', 'reference'));
    const score = (...more: string[]): Record<string, unknown> =>
      objects(polylogue('score', '--model', LLAMA, '--ids', '1,5,7,2', '--json', ...more).out)[0]!;
    const [whole, halved] = ['f32', 'f16'].map((cache) => score('--cache', cache)['sum'] as number);
    expect(halved).not.toBe(whole);
    expect(halved).toBeCloseTo(whole!, 1);
    expect(score('--cache', 'f16', '--engine', 'reference')['sum']).toBeCloseTo(halved!, 3);
    const data = join(scratch, 'data.jsonl');
    writeFileSync(data, '{"prompt_ids":[1,2],"completion_ids":[3,4]}\n');
    const train = [
      'train',
      '--model',
      LLAMA,
      '--data',
      data,
      '--out',
      join(scratch, 'adapter'),
      '--steps',
      '3',
      '--json',
    ];
    const steps = objects(polylogue(...train, '--dtype', 'int4', '--lr', '0.01').out);
    expect(steps.at(-1)?.['loss']).toBeLessThan(steps[0]?.['loss'] as number);
    const small = ['--set', 'trainProblems=2', '--set', 'evaluationProblems=2', '--set', 'iterations=1'];
    const run = polylogue(
      'run',
      '--preset',
      'arithmetic-tiny',
      ...small,
      '--dtype',
      'int8',
      '--engine',
      'reference',
      '--json',
    );
    expect(objects(run.out).at(-1)?.['config']).toMatchObject({ dtype: 'int8' });
    expectRefusal(
      polylogue('score', '--model', LLAMA, '--ids', '1,2', '--dtype', 'int8', '--engine', 'torch'),
      'torch',
      'dequantize',
    );
    expectRefusal(
      polylogue('score', '--model', LLAMA, '--ids', '1,2', '--cache', 'f16', '--engine', 'torch'),
      'torch',
      '--cache',
    );
  });

  it('measures the device, then the engine against it', () => {
    const lines = objects(
      polylogue('bench', '--quick', '--rows', '1', '--dtype', 'int4', '--cache', 'f16', '--engine', 'webgpu', '--json')
        .out,
    );
    expect(lines[0]).toMatchObject({ dtype: 'int4', cache: 'f16' });
    expect(lines.map(({ what }) => what)).toEqual([
      ...['device', 'copy', 'fma', 'gemm'],
      ...['decode', 'decode', 'prefill', 'train', 'train'],
    ]);
    for (const line of lines.slice(4)) {
      const { tokens, seconds, tokensPerSecond, predicted, share } = line as Record<string, number>;
      expect(tokensPerSecond! / (tokens! / seconds!)).toBeCloseTo(1, 2);
      expect(share! / (tokensPerSecond! / predicted!)).toBeCloseTo(1, 2);
      expect(['bandwidth', 'arithmetic']).toContain(line['bound']);
    }
  });
});
