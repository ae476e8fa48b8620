import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { FileError } from '../../src/engine/errors';
import type { FileSource } from '../../src/engine/source';
import { folderSource } from '../../src/engine/loader-node';
import {
  DEFAULT_OPTIMISER,
  type AdapterWeights,
  type Engine,
  type GenerateRequest,
  type TrainJob,
} from '../../src/engine/types';
import { EngineRuntime } from '../../src/runtimes/engine';
import type { Answer, FinetuneTrack, Question, Runtime } from '../../src/runtimes/types';
import { smallConfig } from '../recipes/fakeRuntime';
import { tinyWeights } from '../tasks/tinyChatModel';

const FOLDER = fileURLToPath(new URL('../../static/models/arithmetic-0.4m', import.meta.url));
let tokenizer: ChatTokenizer;

beforeAll(async () => {
  tokenizer = await loadTokenizer(folderSource(FOLDER));
});

describe('the tokenizer', () => {
  it('speaks the compact dialect through the chat template', async () => {
    const ids = await tokenizer.encodeChat([{ role: 'user', content: '7+3*4+5-6*7@12~-18,x' }], true);
    expect(ids).toEqual([1, 11, 14, 7, 16, 8, 14, 9, 15, 10, 16, 11, 20, 5, 6, 21, 15, 5, 12, 22, 23, 17]);
    expect(tokenizer).toMatchObject({ hasChatTemplate: true, eosId: 2 });
  });

  it('encodes and decodes text as it is', async () => {
    const text = '3*4=12;6*7=42;12-42=-30#-30';
    expect((await tokenizer.encode(text)).length).toBe(text.length);
    expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
    expect(tokenizer.decode([...(await tokenizer.encode(text)), 2])).toBe(text);
    expect(tokenizer.decode([])).toBe('');
    expect(await tokenizer.encode('')).toEqual([]);
  });

  it('takes a chat template from its own file', async () => {
    const source = edited({
      'tokenizer_config.json': (text) => JSON.stringify({ ...JSON.parse(text), chat_template: undefined }),
      'chat_template.jinja': () => '{{ messages[0].content }}#',
    });
    const other = await loadTokenizer(source);
    expect(await other.encodeChat([{ role: 'user', content: '7' }], true)).toEqual([11, 19]);
    // Another load does not disturb the first.
    expect(await tokenizer.encodeChat([{ role: 'user', content: '7' }], false)).toEqual([1, 11]);
  });

  it('names the file that is missing or broken', async () => {
    await expect(loadTokenizer(folderSource('/nowhere'))).rejects.toThrow(
      /\/nowhere.tokenizer(_config)?\.json: no such file/,
    );
    for (const broken of ['{', '{"model": 1}']) {
      const failing = loadTokenizer(edited({ 'tokenizer.json': () => broken }));
      await expect(failing).rejects.toThrow(FileError);
      await expect(failing).rejects.toThrow(/^edited.tokenizer\.json: /);
    }
    await expect(tokenizer.encodeChat([{ role: 'system', content: '7' }], true)).rejects.toThrow(
      /tokenizer_config\.json: the chat template/,
    );
  });
});

/** The embedded model's files with some of them changed or added. */
function edited(changes: Record<string, (text: string) => string>): FileSource {
  const folder = folderSource(FOLDER);
  return {
    name: 'edited',
    async read(path) {
      const change = changes[path];
      const original = path === 'chat_template.jinja' ? new Uint8Array() : await folder.read(path);
      return change ? new TextEncoder().encode(change(new TextDecoder().decode(original))) : original;
    },
    exists: async (path) => path in changes || ((await folder.exists?.(path)) ?? false),
  };
}

describe('EngineRuntime', () => {
  const question = (content: string, agent: number): Question => ({
    adapter: agent === 0 ? null : `generator-${agent}`,
    messages: [{ role: 'user', content }],
    at: { purpose: 'train', learner: 'society', iteration: 2, problem: 123456 },
    call: `answer-${agent}`,
    kind: 'answer',
    agent: `generator-${agent}`,
    seat: agent,
    layer: 0,
    draw: { stream: 1, iteration: 2, agent, problem: 123456, round: 1 },
  });

  it('asks with the seed of the run and reads what comes back', async () => {
    const { engine, requests } = recordingEngine();
    const texts: string[] = [];
    const complete: Answer[] = [];
    let tokens = 0;
    const runtime = new EngineRuntime({
      engine,
      tokenizer,
      model: { name: 'm', hash: 'h' },
      config: smallConfig({ seed: 9, 'sampling.maxTokens': 250 }),
      onText: (asked, text) => texts.push(`${asked.seat}:${text}`),
      onResponse: (_, response) => complete.push(response),
      onTokens: (count) => (tokens += count),
    });
    const answers = await runtime.ask([question('1+1*1+1-1*1', 0), question('2+1*1+1-1*1', 1)]);
    expect(requests[1]).toMatchObject({
      adapter: 'generator-1',
      key: { seed: 9, stream: 1, iteration: 2, agent: 1, problem: 123456, round: 1 },
      // 256 positions, 13 of them taken by the prompt
      sampling: { maxTokens: 243, stopIds: [2] },
    });
    expect(answers[0]).toEqual({
      text: '5#5',
      finish: 'stop',
      tokens: 4,
      ids: [9, 19, 9, 2],
      logprobs: [-1, -1, -1, -1],
      margins: [2, 2, 2, 2],
    });
    expect(texts).toEqual(['0:5', '0:5#5', '1:5', '1:5#5']);
    expect(complete).toEqual(answers);
    expect(tokens).toBe(8);
    expect(runtime.describe()).toEqual({
      model: { name: 'm', hash: 'h' },
      engine: 'exact: arithmetic 1',
      arithmetic: 1,
    });
    const { info } = engine;
    const named = (more: object): string => {
      Object.assign(info, more);
      return runtime.describe().engine;
    };
    expect(named({ arithmetic: 'f32', cache: 'f32' })).toBe('exact: arithmetic 1');
    expect(named({ cache: 'f16' })).toBe('exact: arithmetic 1, keys and values in f16');
    expect(named({ arithmetic: 'f16' })).toBe(
      'exact: arithmetic 1, products and adapters in f16, keys and values in f16',
    );
    expect(named({ cache: 'f32' })).toBe('exact: arithmetic 1, products and adapters in f16');
  });

  it('leaves a question that has no room unasked and answers the others', async () => {
    const { engine, requests, jobs } = recordingEngine();
    const complete: [agent: number, tokens: number][] = [];
    const runtime = new EngineRuntime({
      engine,
      tokenizer,
      model: { name: 'm', hash: 'h' },
      config: smallConfig(),
      onResponse: (asked, { tokens }) => complete.push([asked.seat, tokens]),
    });
    const long = '1'.repeat(260);
    const answers = await runtime.ask([question(long, 0), question('1+1*1+1-1*1', 1), question(long, 2)]);
    const unasked = { text: '', finish: 'length', tokens: 0, ids: [], logprobs: [], margins: [] };
    expect(answers).toEqual([unasked, expect.objectContaining({ text: '5#5', tokens: 4 }), unasked]);
    expect(requests.map(({ adapter }) => adapter)).toEqual(['generator-1']);
    expect(complete.toSorted(([a], [b]) => a - b)).toEqual([
      [0, 0],
      [1, 4],
      [2, 0],
    ]);
    expect(await runtime.ask([question(long, 0)])).toEqual([unasked]);
    expect(requests.length).toBe(1);
    // A completion that is longer now than when it was sampled loses its end.
    const example = { messages: [{ role: 'user' as const, content: '1' }], completion: '2'.repeat(300) };
    for await (const _ of runtime.train(jobOf([{ adapter: 'a', examples: [example], batches: [[0]] }])));
    const trained = jobs[0]?.tracks[0]?.examples[0];
    expect([trained?.ids.length, trained?.weights.length, trained?.ids[255]]).toEqual([256, 256, 6]);
  });

  it('learns the ids that were sampled, whatever their text would be cut into', async () => {
    const { engine, jobs } = recordingEngine();
    const runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
    const messages = [{ role: 'user' as const, content: '1+1' }];
    const examples = [{ messages, completion: '2#2', ids: [7, 19, 2], weight: -0.5 }];
    for await (const _ of runtime.train(jobOf([{ adapter: 'a', examples, batches: [[0]] }])));
    expect(jobs[0]?.tracks[0]?.examples).toEqual([
      { ids: [1, 5, 14, 5, 17, 7, 19, 2], weights: [-0, -0, -0, -0, -0, -0.5, -0.5, -0.5] },
    ]);
  });

  it('samples a question as it asks where that differs from the run', async () => {
    const { engine, requests } = recordingEngine();
    const runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
    await runtime.ask([{ ...question('1+1*1+1-1*1', 0), sampling: { temperature: 0, maxTokens: 7 } }]);
    expect(requests[0]?.sampling).toMatchObject({ temperature: 0, maxTokens: 7, topP: 1 });
  });

  it('trains on completion and end token only, and leaves tracks without batches alone', async () => {
    const { engine, jobs } = recordingEngine();
    const runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
    const messages = [{ role: 'user' as const, content: '1+1' }];
    const examples = [
      { messages, completion: '2#2' },
      { messages, completion: '2#', cut: true as const },
    ];
    const tracks = [
      { adapter: 'a', examples, batches: [[0, 1]] },
      { adapter: 'b', examples: [], batches: [] },
    ];
    for await (const event of runtime.train(jobOf(tracks))) expect(event.totalSteps).toBe(1);
    expect(jobs[0]?.tracks).toEqual([
      {
        adapter: 'a',
        batches: [[0, 1]],
        examples: [
          { ids: [1, 5, 14, 5, 17, 6, 19, 6, 2], weights: [0, 0, 0, 0, 0, 1, 1, 1, 1] },
          // cut at the length limit: no end to learn
          { ids: [1, 5, 14, 5, 17, 6, 19], weights: [0, 0, 0, 0, 0, 1, 1] },
        ],
      },
    ]);
    for await (const _ of runtime.train(jobOf(tracks.slice(1)))) expect.unreachable();
    expect(jobs.length).toBe(1);
  });

  it('gives RegMean what layers read in each adapter’s texts, as these are learnt', async () => {
    const { engine, asked, imported } = mergingEngine();
    const runtime = new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() });
    const messages = [{ role: 'user' as const, content: '1+1' }];
    const texts = [[{ messages, completion: '2#2' }], [{ messages, completion: '2#', cut: true as const }]];
    const job = { name: 'merged-regmean', iteration: 1, adapters: ['a', 'b'] };
    const merged = await runtime.merge({ ...job, rule: { kind: 'regmean', offDiagonal: 1 }, texts });
    const prompt = [1, 5, 14, 5, 17];
    expect(asked).toEqual([
      [[{ ids: [...prompt, 6, 19, 6, 2], adapter: 'a' }], ['q_proj']],
      [[{ ids: [...prompt, 6, 19], adapter: 'b' }], ['q_proj']],
    ]);
    // ΔW 1 of weight 9 and ΔW 3 of weight 7.
    const { config, tensors } = imported.get('merged-regmean')!;
    expect(config).toMatchObject({ rank: 2, alpha: 2, targets: ['q_proj'] });
    const [a, b] = ['A', 'B'].map((part) => tensors.get(`${Q}.lora_${part}.weight`)!.data);
    expect(a![0]! * b![0]! + a![1]! * b![1]!).toBeCloseTo((9 * 1 + 7 * 3) / 16, 6);
    expect(merged.lost).toBe(0);
    // Other rules read no texts.
    await runtime.merge({ ...job, rule: { kind: 'task-arithmetic', scale: 1 }, texts });
    expect(asked).toHaveLength(2);
  });

  it('says whether its engine gives Gram matrices', () => {
    const canOf = (kind: Engine['info']['kind']) => {
      const { engine } = mergingEngine(kind);
      return new EngineRuntime({ engine, tokenizer, model: { name: 'm', hash: 'h' }, config: smallConfig() }).can.grams;
    };
    expect((['exact', 'reference', 'webgpu', 'torch'] as const).map(canOf)).toEqual([true, true, false, false]);
  });
});

const Q = 'base_model.model.model.layers.0.self_attn.q_proj';

/** Holds two adapters of one number each, 1 and 3; a text's Gram matrix is its length. */
function mergingEngine(kind: Engine['info']['kind'] = 'reference') {
  const asked: Parameters<Engine['grams']>[] = [];
  const imported = new Map<string, AdapterWeights>();
  const one = (value: number) => ({ shape: [1, 1], data: Float32Array.of(value) });
  const adapterOf = (value: number): AdapterWeights => ({
    config: { rank: 1, alpha: 1, targets: ['q_proj'] },
    tensors: new Map([
      [`${Q}.lora_A.weight`, one(value)],
      [`${Q}.lora_B.weight`, one(1)],
    ]),
  });
  const engine: Pick<Engine, 'info' | 'adapters' | 'exportAdapter' | 'importAdapter' | 'deleteAdapter' | 'grams'> = {
    info: {
      kind,
      device: 'test',
      config: { ...tinyWeights().config, maxPositions: 256, eosTokenIds: [2] },
    },
    adapters: () => ['a', 'b', ...imported.keys()],
    exportAdapter: (id) => Promise.resolve(imported.get(id) ?? adapterOf(id === 'a' ? 1 : 3)),
    importAdapter: (id, weights) => Promise.resolve(void imported.set(id, weights)),
    deleteAdapter: (id) => Promise.resolve(void imported.delete(id)),
    grams(requests, projections) {
      asked.push([requests, projections]);
      const length = requests.reduce((sum, { ids }) => sum + ids.length, 0);
      return Promise.resolve([{ attention: { width: 1, data: Float64Array.of(length) } }]);
    },
  };
  return { engine: engine as Engine, asked, imported };
}

function jobOf(tracks: FinetuneTrack[]): Parameters<Runtime['train']>[0] {
  return { job: 'finetune/1', iteration: 1, objective: { kind: 'sft' }, tracks, optimiser: DEFAULT_OPTIMISER };
}

/** Answers "5#5" to everything and remembers what it was asked. */
function recordingEngine() {
  const requests: GenerateRequest[] = [];
  const jobs: TrainJob[] = [];
  const engine: Pick<Engine, 'info' | 'generate' | 'train'> = {
    info: {
      kind: 'reference',
      device: 'test',
      config: { maxPositions: 256, eosTokenIds: [2] } as Engine['info']['config'],
    },
    generate(asked, options) {
      requests.push(...asked);
      const result = { ids: [9, 19, 9, 2], logprobs: [-1, -1, -1, -1], margins: [2, 2, 2, 2], finish: 'stop' as const };
      asked.forEach((_, row) => {
        options?.onTokens?.(row, [9]);
        options?.onTokens?.(row, [19, 9, 2]);
        options?.onRow?.(row, result);
      });
      return Promise.resolve(asked.map(() => result));
    },
    async *train(job) {
      jobs.push(job);
      await Promise.resolve();
      yield { step: 0, totalSteps: 1, tracks: [] };
    },
  };
  return { engine: engine as Engine, requests, jobs };
}
