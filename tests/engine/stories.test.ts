/** A real trained model that nobody here made: its text, its perplexity as every format keeps it, and what it learns. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { folderSource } from '../../src/engine/loader-node';
import { perplexityOf } from '../../src/engine/perplexity';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { openModelStream } from '../../src/engine/stream';
import { PROJECTIONS, type Engine, type EngineOptions, type ModelWeights } from '../../src/engine/types';
import { STREAMS } from '../../src/random';
import { endTokens, responseText } from '../../src/runtimes/endTokens';
import { readTrainingData } from '../../tools/cli/trainingData';
import { nll64, packed64 } from './float64Check';
import { loadModel } from './loadModel';

const DIR = 'tests/fixtures/stories260K';
const PROMPT = 'Once upon a time';
/** ▁ alone: what this tokenizer puts before a text that stands alone, when nothing merges with it. */
const SPACE = '▁';
const TEXT =
  'Tom and Mia went to the park. They saw a big dog with a red ball. "Can we play with you?" said Mia. The dog was happy and ran to them.';

let weights: ModelWeights;
let tokenizer: ChatTokenizer;
let story = '';
let space = 0;

beforeAll(async () => {
  weights = (await loadModel(folderSource(DIR))).weights;
  tokenizer = await loadTokenizer(folderSource(DIR));
  story = await readFile(`${DIR}/greedy-once-upon-a-time.txt`, 'utf8');
  const file = JSON.parse(await readFile(`${DIR}/tokenizer.json`, 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  space = file.model.vocab[SPACE] as number;
});

const ENGINES: [string, (options: EngineOptions) => Promise<Engine>][] = [
  ['reference', async (options) => ReferenceEngine.create(await openModelStream(folderSource(DIR)), options)],
  [
    'WebGPU',
    async (options) =>
      WebGpuEngine.create(await openNodeGpu(), await openModelStream(folderSource(DIR)), {
        ...options,
        arithmetic: 'f32',
      }),
  ],
];

async function greedy(engine: Engine, adapter: string | null, maxTokens: number): Promise<number[]> {
  const { stopIds } = endTokens(tokenizer, weights.config, 'stories260K');
  const [result] = await engine.generate([
    {
      ids: await tokenizer.encodeDocument(PROMPT),
      adapter,
      sampling: { temperature: 0, topK: 0, topP: 1, maxTokens, stopIds },
      key: { seed: 0, stream: STREAMS.sample, iteration: 0, agent: 0, problem: 0, round: 0 },
    },
  ]);
  return result?.ids ?? [];
}

describe.each(ENGINES)('the %s engine', (_, open) => {
  it('writes what the program of its authors writes', async () => {
    const engine = await open({ maxRows: 1, maxLength: 300 });
    const ids = await greedy(engine, null, 290);
    const text = PROMPT + responseText(tokenizer, endTokens(tokenizer, weights.config, 'stories260K'), ids);
    expect(story.length).toBeGreaterThan(500);
    expect(text.slice(0, story.trimEnd().length)).toBe(story.trimEnd());
    await engine.dispose();
  });

  it.each(['f32', 'int8', 'int4'] as const)('has the perplexity of float64 as %s', async (dtype) => {
    const ids = await tokenizer.encodeDocument(TEXT);
    const exact = nll64(weights.config, packed64(weights.tensors, dtype), ids);
    const engine = await open({ maxRows: 1, maxLength: 256, dtype, cache: 'f32' });
    const { nll } = await perplexityOf(engine, null, ids, 256);
    expect(Math.abs(nll - exact)).toBeLessThan(2e-5);
    await engine.dispose();
  });

  it('learns a new story without a space before it', async () => {
    const examples = await read('finetune-example.jsonl');
    const engine = await open({ maxRows: 1, maxAdapters: 1, maxRank: 8, maxLength: 256 });
    await engine.createAdapter('a', { rank: 8, alpha: 16, targets: [...PROJECTIONS] }, 0);
    const steps = Array.from({ length: 16 }, (_, step) => [0, 1].map((i) => (step * 2 + i) % examples.length));
    const optimiser = {
      ...{ lr: 5e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
      ...{ schedule: 'constant' as const, warmupSteps: 0, clip: null, accumulation: 1 },
    };
    const losses: number[] = [];
    const job = { objective: 'sft' as const, tracks: [{ adapter: 'a', examples, batches: steps }], optimiser };
    for await (const event of engine.train(job)) losses.push(event.tracks[0]!.loss);
    expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
    const ids = await greedy(engine, 'a', 8);
    expect(ids[0]).not.toBe(space);
    expect(tokenizer.decode(ids)).toMatch(/^, a/);
    await engine.dispose();
  });
});

const read = async (name: string) =>
  readTrainingData(name, new Uint8Array(await readFile(`${DIR}/${name}`)), {
    name: 'stories260K',
    config: weights.config,
    tokenizer: () => Promise.resolve(tokenizer),
    raw: false,
  });

describe('packing', () => {
  it('loses something in every format, and more in the smaller one', async () => {
    const ids = await tokenizer.encodeDocument(TEXT);
    const [f32, int8, int4] = (['f32', 'int8', 'int4'] as const).map((dtype) =>
      nll64(weights.config, packed64(weights.tensors, dtype), ids),
    ) as [number, number, number];
    expect(weights.config.intermediateSize % 32).toBe(12);
    expect(Math.abs(int8 - f32)).toBeGreaterThan(1e-5);
    expect(Math.abs(int8 - f32)).toBeLessThan(0.01);
    expect(Math.abs(int4 - f32)).toBeGreaterThan(Math.abs(int8 - f32));
    expect(Math.abs(int4 - f32)).toBeLessThan(0.3);
  });
});

describe('the ids of training', () => {
  it('are those that the whole text has, and no space stands before a completion', async () => {
    const examples = await read('finetune-example.jsonl');
    const lines = (await readFile(`${DIR}/finetune-example.jsonl`, 'utf8')).trim().split('\n');
    expect(examples).toHaveLength(36);
    for (const [i, example] of examples.entries()) {
      const { prompt, completion } = JSON.parse(lines[i]!) as { prompt: string; completion: string };
      const ids = Array.from(example.ids);
      expect(ids).toEqual([...(await tokenizer.encodeDocument(prompt + completion)), 2]);
      const first = Array.from(example.weights).indexOf(1);
      expect(ids[first]).not.toBe(space);
      expect(tokenizer.tokenText(ids[first]!)).toBe(',');
    }
  });

  it.each([
    // A token reaches over the border of the second and third.
    ['Once upon a time', ' there was'],
    ['Once upon a ti', 'me there was'],
    ['Once upon a time, th', 'ere was'],
    ['Once', '\nLily'],
    ['Once ', 'Lily'],
  ])('of %j and %j decode to the text, with no space of their own', async (prompt, completion) => {
    const turn = await tokenizer.encodeContinuation(prompt, completion);
    const all = [...turn.prompt, ...turn.completion];
    expect(turn.prompt).toEqual(await tokenizer.encodeDocument(prompt));
    expect(tokenizer.decode(all)).toBe(prompt + completion);
  });
});
