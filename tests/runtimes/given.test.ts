/** Responses that are given instead of sampled, on a real engine: what it would have written instead at each place. */
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { RequestError } from '../../src/engine/errors';
import { ExactEngine } from '../../src/engine/exact/engine';
import { folderSource } from '../../src/engine/loader-node';
import { DEFAULT_OPTIMISER, type Engine } from '../../src/engine/types';
import { EngineRuntime } from '../../src/runtimes/engine';
import type { Question } from '../../src/runtimes/types';
import { loadModel } from '../engine/loadModel';
import { smallConfig } from '../recipes/fakeRuntime';

const FOLDER = fileURLToPath(new URL('../../static/models/arithmetic-0.4m', import.meta.url));
let tokenizer: ChatTokenizer;
let engine: Engine;
let runtime: EngineRuntime;

beforeAll(async () => {
  tokenizer = await loadTokenizer(folderSource(FOLDER));
  const { weights } = await loadModel(folderSource(FOLDER));
  engine = await ExactEngine.create(weights, { maxRows: 8, maxAdapters: 1, maxRank: 2 });
  runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
});

const reading = (given: string, more: Partial<Question> = {}): Question => ({
  adapter: null,
  messages: [{ role: 'user', content: '7+3*4+5-6*7' }],
  at: { purpose: 'train', learner: 'base', iteration: 1, problem: 1 },
  call: 'reading-0-0',
  kind: 'reading',
  agent: 'base',
  seat: 0,
  layer: 0,
  draw: { stream: 14, iteration: 1, agent: 0, problem: 1, round: 0 },
  given,
  ...more,
});

it('is read with the log-probability of each token, and a margin below 0 exactly where another token is the most probable', async () => {
  // Wrong results, and an order of steps that the model does not write.
  const texts = ['3*4=12;6*7=42;12+7=19;19+5=24;24-42=-18#-18', '3*4=13;6*7=4', '1+1=9#9;;', ''];
  const answers = await runtime.ask(texts.map((text) => reading(text)));
  const prompt = await tokenizer.encodeChat([{ role: 'user', content: '7+3*4+5-6*7' }], true);
  let missed = 0;
  for (const [at, { ids = [], logprobs = [], margins = [], text, tokens, finish }] of answers.entries()) {
    expect(text).toBe(texts[at]);
    expect([tokens, finish, ids.at(-1)]).toEqual([texts[at]!.length + 1, 'stop', 2]);
    const all = [...prompt, ...ids];
    const logits = await engine.logits({ ids: all, adapter: null });
    const V = engine.info.config.vocabSize;
    ids.forEach((id, j) => {
      const place = prompt.length + j - 1;
      const row = logits.subarray(place * V, (place + 1) * V);
      const top = Math.max(...row);
      const own = row[id] as number;
      const norm = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
      expect(logprobs[j]).toBeCloseTo(own - norm, 4);
      if (own === top) expect(margins[j]).toBe(0);
      else expect(margins[j]).toBeCloseTo(Math.min(-0.01, own - top), 4);
      if (own !== top) missed++;
    });
  }
  expect(missed).toBeGreaterThan(5);
});

it('stands among sampled answers in the order of the questions', async () => {
  const { given: _, ...sampled } = reading('');
  const answers = await runtime.ask([reading('1#1'), { ...sampled, kind: 'answer' }, reading('2#2')]);
  expect(answers.map(({ text }) => text).filter((_, at) => at !== 1)).toEqual(['1#1', '2#2']);
  expect(answers[1]?.text).toContain('#');
});

it('is cut where it has no room, and read by one adapter at a time', async () => {
  const [cut] = await runtime.ask([reading('1'.repeat(300))]);
  expect([cut?.finish, cut?.tokens]).toEqual(['length', 256 - 13]);
  const mixture = [{ adapter: null, weight: 1 }];
  await expect(runtime.ask([reading('1', { mixture })])).rejects.toThrow(RequestError);
});

it('is learnt with a weight for each token; a masked token changes nothing', async () => {
  const steps = async (tokenWeights: number[]) => {
    await engine.createAdapter('a', { rank: 2, alpha: 2, targets: ['q_proj'] }, 1);
    const example = { messages: [{ role: 'user' as const, content: '7+3*4+5-6*7' }], completion: '1#1', tokenWeights };
    const tracks = [{ adapter: 'a', examples: [example], batches: [[0]] }];
    const events = [];
    const job = { job: 'j', iteration: 1, objective: { kind: 'sft' as const }, tracks, optimiser: DEFAULT_OPTIMISER };
    for await (const event of runtime.train(job)) events.push(event.tracks[0]);
    await engine.deleteAdapter('a');
    return events[0];
  };
  const { logprobs = [] } = (await runtime.ask([reading('1#1')]))[0] ?? {};
  const first = await steps([1, 0, 0, 0]);
  expect(first?.loss).toBeCloseTo(-(logprobs[0] as number), 4);
  expect(first?.tokens).toBe(1);
  const both = await steps([1, 0, 0, 3]);
  expect(both?.loss).toBeCloseTo(-((logprobs[0] as number) + 3 * (logprobs[3] as number)) / 4, 4);
  await expect(steps([1, 0])).rejects.toThrow(/2 weights of tokens.*4 tokens/);
});
