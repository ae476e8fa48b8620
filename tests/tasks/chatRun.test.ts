import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import type { Episode, RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { STREAMS } from '../../src/random';
import { LOGPROB_SCALE, MARGIN_SCALE, packNumbers } from '../../src/pack';
import { recipeNamed } from '../../src/recipes';
import { examplesOf } from '../../src/recipes/examples';
import { checkConfig, differences, resolveConfig } from '../../src/recipes/resolve';
import type { RunConfig } from '../../src/recipes/config';
import { runRecipe } from '../../src/recipes/run';
import { estimateWork, needOf } from '../../src/recipes/work';
import { EngineRuntime } from '../../src/runtimes/engine';
import { RecordedRuntime } from '../../src/runtimes/recorded';
import type { Answer, FinetuneTrack, Question, Runtime } from '../../src/runtimes/types';
import { promptOf } from '../../src/society/prompts';
import { taskFor } from '../../src/tasks';
import { arithmetic } from '../../src/tasks/arithmetic';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { checkDialect, longestChat } from '../../src/tasks/dialect';
import type { ChatMessage, Task } from '../../src/tasks/types';
import { gsm8k } from '../../src/tasks/gsm8k';
import { importProblems } from '../../src/tasks/importer';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';
import { tinySource, tinyWeights } from './tinyChatModel';

const file = importProblems(
  gsm8k,
  'ten.jsonl',
  new TextEncoder().encode(
    Array.from({ length: 10 }, (_, i) => JSON.stringify({ question: `What is ${i}+1?`, answer: `#### ${i + 1}` })).join(
      '\n',
    ),
  ),
);

function config(overrides: Record<string, string | number | boolean> = {}) {
  return resolveConfig('arithmetic-tiny', {
    task: 'gsm8k',
    'data.name': file.name,
    'data.sha256': file.sha256,
    trainProblems: 6,
    evaluationProblems: 4,
    chunk: 4,
    'finetune.batchSize': 4,
    ...overrides,
  });
}

/** Adds or misses by one, in words; summaries are words as well. */
class TalkingRuntime extends FakeRuntime {
  override ask(questions: Question[]): Promise<Answer[]> {
    this.asked.push(questions.map(({ quotes: _, ...question }) => structuredClone(question)));
    return Promise.resolve(
      questions.map((question) => {
        const { agent, problem, round, iteration } = question.draw;
        const state = question.adapter === null ? 'base' : (this.states.get(question.adapter) ?? 'none');
        const draw = (problem + 3 * agent + 5 * round + 7 * iteration + state.length) % 4;
        const first = Number(/What is (\d+)\+1/.exec(question.messages[0]?.content ?? '')?.[1]);
        const text = asksForSummary(question)
          ? `Summary for agent ${agent} in round ${round}`
          : `${first}+1 is \\boxed{${first + (draw === 0 ? 2 : 1)}}`;
        return { text, finish: 'stop', tokens: 3, ids: [7, 8, 9], logprobs: [-0.12345], margins: [1.234] };
      }),
    );
  }
}

const asksForSummary = ({ kind }: Pick<Question, 'kind'>): boolean => kind === 'summary';
const debates = (events: RunEvent[]) => events.filter((event): event is Episode => event.type === 'episode');
const answersOf = ({ turns }: Episode, layer: number) =>
  turns.filter((turn) => turn.layer === layer && !asksForSummary(turn));
const quotesOf = (settings: RunConfig) => ({ ...needOf(settings).quotes, maxTokens: settings.sampling.maxTokens });
const play = (runtime: Runtime, task: Task, settings: RunConfig) =>
  runRecipe(recipeNamed(settings.recipe), { runtime, task, config: settings });

describe('configuration', () => {
  it('takes chat defaults with a chat task, and only with it', async () => {
    const chat = config();
    expect(chat).toMatchObject({
      summary: 'base-model',
      sampling: { maxTokens: 512, topP: 0.9 },
      finetune: { lr: 2e-4 },
      data: { name: 'ten.jsonl', sha256: file.sha256 },
    });
    expect(config({ 'finetune.lr': 0.01, summary: 'concatenate' })).toMatchObject({
      summary: 'concatenate',
      finetune: { lr: 0.01 },
    });
    expect(checkConfig(JSON.parse(JSON.stringify(chat)))).toEqual(chat);
    expect(differences(chat)).toMatchObject({ task: 'gsm8k', summary: 'base-model', 'data.name': 'ten.jsonl' });
    const compact = resolveConfig('arithmetic-tiny');
    expect('summary' in compact || 'data' in compact).toBe(false);
  });

  it.each([
    [{ task: 'gsm8k' }, /^task: gsm8k takes its problems from a file/],
    [
      { task: 'arithmetic-chat', 'data.name': 'x', 'data.sha256': '0'.repeat(64) },
      /^data: arithmetic-chat makes its own/,
    ],
    [{ task: 'gsm8k', 'data.name': 'x' }, /^data: needs both/],
    [{ task: 'gsm8k', 'data.name': 'x', 'data.sha256': 'abc' }, /^data\.sha256: "abc" is not a sha-256/],
    [{ summary: 'concatenate' }, /^summary: arithmetic has none/],
    [{ task: 'arithmetic-chat', summary: 'none' }, /^summary: "none" is not one of/],
  ])('refuses what does not go together (%#)', (overrides, message) => {
    expect(() => resolveConfig('arithmetic-tiny', overrides as unknown as Record<string, string>)).toThrow(message);
  });

  it('counts summaries as work', async () => {
    for (const rounds of [2, 3]) {
      const runtime = new TalkingRuntime();
      await logOf(runtime, config({ rounds }), taskFor(config(), file));
      expect(estimateWork(config({ rounds })).calls).toBe(runtime.asked.flat().length);
    }
  });
});

describe('a debate in chat', () => {
  it('lets the base model summarise the others, logs it, and trains on what was read', async () => {
    const runtime = new TalkingRuntime();
    const task = taskFor(config(), file);
    const events = await logOf(runtime, config(), task);
    const asked = runtime.asked.flat();
    const summaries = asked.filter(asksForSummary);
    expect(summaries.every(({ adapter }) => adapter === null)).toBe(true);
    expect(new Set(summaries.map(({ draw }) => draw.stream))).toEqual(
      new Set([STREAMS.summarise, STREAMS.summariseEvaluation]),
    );
    // Agent 1 reads agents 0 and 2, not itself.
    const [held] = debates(events);
    const first = held ? answersOf(held, 0).map(({ text }) => text) : [];
    const forOne = summaries.find(({ seat, at }) => seat === 1 && at.problem === held?.problem);
    expect(forOne?.messages[0]?.content).toContain(
      `Opinion 1:\n\`\`\`\n${first[0]}\n\`\`\`\n\nOpinion 2:\n\`\`\`\n${first[2]}`,
    );
    expect(held?.turns.filter(asksForSummary)).toEqual(
      [0, 1, 2].map((seat) => ({
        call: `summary-2-${seat}`,
        kind: 'summary',
        agent: 'base',
        seat,
        layer: 1,
        parents: [0, 1, 2].filter((other) => other !== seat),
        text: `Summary for agent ${seat} in round 2`,
        finish: 'stop',
        tokens: 3,
        ids: packNumbers([7, 8, 9]),
        logprobs: packNumbers([-0.123], LOGPROB_SCALE),
        margins: packNumbers([1.23], MARGIN_SCALE),
      })),
    );
    const revision = asked.find(
      ({ kind, seat, draw }) => kind === 'revision' && seat === 1 && draw.stream === STREAMS.evaluate,
    );
    expect(revision?.messages[1]).toEqual({ role: 'assistant', content: first[1] });
    expect(revision?.messages[2]?.content).toContain('Summary for agent 1 in round 2');
    // The critic's examples hold the very prompts that were asked, now and when rebuilt from the log.
    const critic = runtime.trained[0]?.tracks.find(({ adapter }) => adapter === 'critic-0');
    expect(critic?.examples.length).toBeGreaterThan(0);
    for (const example of critic?.examples ?? []) {
      expect(asked.some(({ messages }) => JSON.stringify(messages) === JSON.stringify(example.messages))).toBe(true);
    }
    const stored = JSON.parse(JSON.stringify(events)) as RunEvent[];
    const dataset = stored.find((event) => event.type === 'dataset' && event.adapter === 'critic-0');
    const problems = task.problems('train', 6, config().seed);
    const training = debates(stored).filter(({ purpose, learner }) => purpose === 'train' && learner === 'society');
    if (dataset?.type !== 'dataset') throw new Error('no data set');
    expect(examplesOf(task, dataset.examples, training, problems).examples).toEqual(critic?.examples);
  });

  it('concatenates without a model when asked to', async () => {
    const runtime = new TalkingRuntime();
    const events = await logOf(runtime, config({ summary: 'concatenate' }), taskFor(config(), file));
    expect(runtime.asked.flat().some(asksForSummary)).toBe(false);
    const [held] = debates(events);
    expect(held?.turns.some(asksForSummary)).toBe(false);
    const revision = runtime.asked.flat().find(({ kind, seat }) => kind === 'revision' && seat === 0);
    expect(revision?.messages[2]?.content).toContain(`Agent 1:\n\`\`\`\n${held?.turns[1]?.text}\n\`\`\``);
  });
});

describe('with a model', () => {
  let tokenizer: ChatTokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer(tinySource());
  });

  it('runs, and resumes to the same digest wherever it was cut', async () => {
    const settings = config({
      agents: 2,
      trainProblems: 2,
      evaluationProblems: 1,
      iterations: 1,
      chunk: 1,
      minimumVotes: 1,
      'sampling.maxTokens': 3,
      singleAgentBaseline: false,
    });
    // A random model never boxes an answer: the least that it says is one here, so that adapters are trained.
    const task = { ...taskFor(settings, file), extractAnswer: (text: string) => String(text.length) };
    const onEngine = async () => {
      const engine = await ReferenceEngine.create(tinyWeights(), {
        maxRows: 8,
        maxAdapters: 4,
        maxRank: 8,
        maxLength: 2048,
      });
      const model = { name: 'tiny', hash: '00' };
      return { engine, inner: new EngineRuntime({ engine, tokenizer, model, config: settings, maxLength: 2048 }) };
    };
    const whole: RunEvent[] = [];
    const weights = new Map<string, Awaited<ReturnType<ReferenceEngine['exportAdapter']>>>();
    const { engine, inner } = await onEngine();
    for await (const event of play(inner, task, settings)) {
      whole.push(event);
      if (event.type === 'adapter') weights.set(event.adapter, await engine.exportAdapter(event.adapter));
    }
    expect(debates(whole).every(({ turns }) => turns.filter(asksForSummary).length === 2)).toBe(true);
    expect(whole.some((event) => event.type === 'training-step')).toBe(true);
    const digest = digestOf(whole);
    const trained = whole.findIndex((event) => event.type === 'training-step');
    for (const cut of [3, trained, whole.length - 2]) {
      const again = await onEngine();
      const recorded = JSON.parse(JSON.stringify(whole.slice(0, cut))) as RunEvent[];
      const replaying = new RecordedRuntime(again.inner, recorded, async (adapter) => {
        const stored = weights.get(adapter);
        if (stored) await again.engine.importAdapter(adapter, stored);
      });
      const events: RunEvent[] = [];
      for await (const event of play(replaying, task, settings)) events.push(event);
      expect(digestOf(events)).toBe(digest);
    }
  });

  it.each(['concatenate', 'base-model'] as const)(
    'goes on over texts that grow when they are read, logs what was cut, and resumes to the same digest (%s)',
    async (summary) => {
      const settings = config({
        summary,
        agents: 3,
        trainProblems: 1,
        evaluationProblems: 1,
        iterations: 1,
        chunk: 1,
        minimumVotes: 1,
        'sampling.maxTokens': 24,
        // All bytes, so that texts grow.
        'sampling.topP': 1,
        singleAgentBaseline: false,
      });
      const task = { ...taskFor(settings, file), extractAnswer: (text: string) => String(text.length) };
      // The model says all bytes; what is no UTF-8 takes three tokens for one when it is read.
      const maxLength = await longestChat(task, file.problems, tokenizer, quotesOf(settings));
      const onEngine = async () => {
        const engine = await ReferenceEngine.create(tinyWeights(), {
          maxRows: 3,
          maxAdapters: 6,
          maxRank: 8,
          maxLength,
        });
        const model = { name: 'tiny', hash: '00' };
        return { engine, inner: new EngineRuntime({ engine, tokenizer, model, config: settings, maxLength }) };
      };
      const whole: RunEvent[] = [];
      const { inner } = await onEngine();
      const trained: FinetuneTrack[] = [];
      const train = inner.train.bind(inner);
      inner.train = (job) => (trained.push(...job.tracks), train(job));
      for await (const event of play(inner, task, settings)) whole.push(event);
      expect(whole.at(-1)?.type).toBe('run-finished');

      const held = debates(whole);
      const revisions = held.flatMap(({ turns }) => turns.filter(({ kind }) => kind === 'revision'));
      const cut = revisions.filter(({ shortened }) => shortened);
      expect(cut.length).toBeGreaterThan(0);
      // The log alone says what was read, in every prompt and every example.
      for (const debate of held) {
        const problem = file.problems.find(({ id }) => id === debate.problem);
        if (!problem) throw new Error('no problem');
        for (const turn of answersOf(debate, 1)) {
          const { shortened, tokens, finish } = turn;
          const { messages } = promptOf(task, problem, debate, turn);
          expect(JSON.stringify(messages).includes('[…]')).toBe(shortened !== undefined);
          const length = (await tokenizer.encodeChat(messages, true)).length;
          expect(length + 24).toBeLessThanOrEqual(maxLength);
          expect(finish === 'stop' || tokens === 24).toBe(true);
        }
      }
      const read = trained.filter(({ adapter }) => adapter.startsWith('critic')).flatMap(({ examples }) => examples);
      expect(read.some(({ messages }) => JSON.stringify(messages).includes('[…]'))).toBe(true);

      const at = whole.findIndex((event) => event.type === 'episode' && event.purpose === 'train') + 1;
      const again = await onEngine();
      const recorded = JSON.parse(JSON.stringify(whole.slice(0, at))) as RunEvent[];
      const replaying = new RecordedRuntime(again.inner, recorded, () => Promise.reject(new Error('nothing trained')));
      const events: RunEvent[] = [];
      for await (const event of play(replaying, task, settings)) events.push(event);
      expect(digestOf(events)).toBe(digestOf(whole));
    },
  );

  it.each(['concatenate', 'base-model'] as const)(
    'knows the longest sequence it can be asked for (%s)',
    async (summary) => {
      const settings = config({ agents: 5, summary, 'sampling.maxTokens': 40 });
      const longest = await longestChat(gsm8k, file.problems, tokenizer, quotesOf(settings));
      // One token a byte: responses as long as they can get.
      const full = 'x'.repeat(40);
      const others = [full, full, full, full];
      const read = summary === 'concatenate' ? gsm8k.summarise(others) : full;
      const prompts = file.problems.flatMap((problem) => [
        gsm8k.revisePrompt(problem, full, read),
        ...(summary === 'base-model' ? [gsm8k.summarisePrompt?.(problem, others) ?? []] : []),
      ]);
      const lengthOf = async (messages: ChatMessage[]) => (await tokenizer.encodeChat(messages, true)).length + 40;
      const lengths = await Promise.all(prompts.map(lengthOf));
      expect(Math.max(...lengths)).toBeLessThanOrEqual(longest);
      expect(Math.max(...lengths)).toBeGreaterThan(longest * 0.85);
      // With one round nobody reads anybody.
      const solved = await Promise.all(file.problems.map((problem) => lengthOf(gsm8k.solvePrompt(problem))));
      const alone = await longestChat(
        gsm8k,
        file.problems,
        tokenizer,
        quotesOf({ ...settings, rounds: 1 } as RunConfig),
      );
      expect(alone).toBe(Math.max(...solved));
    },
  );

  it('is refused where its tokenizer cannot write the prompts', async () => {
    const [problem] = arithmeticChat.problems('train', 1, 1);
    if (!problem) throw new Error('no problem');
    await checkDialect(arithmeticChat, problem, tokenizer, 'tiny');
    const digits = { ...tokenizer, encode: (text: string) => tokenizer.encode(text.replace(/[a-z]/g, '')) };
    await expect(checkDialect(arithmeticChat, problem, digits, 'tiny')).rejects.toThrow(
      /^tiny: its tokenizer cannot write/,
    );
    const base = { ...tokenizer, hasChatTemplate: false };
    await expect(checkDialect(arithmetic, problem, base, 'tiny')).rejects.toThrow(/^tiny: has no chat template/);
  });
});
