import { describe, expect, it } from 'vitest';
import type { AdapterVersion, RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { drawInt } from '../../src/random';
import { RecordedRuntime } from '../../src/runtimes/recorded';
import { FakeRuntime, logOf, smallConfig } from '../recipes/fakeRuntime';

/** An adapter may be trained by several jobs of an iteration. */
function versionOf({ adapter, from }: AdapterVersion): string {
  return `${adapter} ${'job' in from ? from.job : ''}`;
}

/** An undisturbed run and the adapter states behind each adapter event. */
async function undisturbed(overrides: Record<string, string | number>, recipe?: string) {
  const runtime = new FakeRuntime();
  const states = new Map<string, string>();
  const config = smallConfig(overrides, recipe);
  const events = await logOf(runtime, config, undefined, (event) => {
    if (event.type === 'adapter') states.set(versionOf(event), runtime.states.get(event.adapter) as string);
  });
  return { config, events, states, asked: runtime.asked.length };
}

async function resumed(run: Awaited<ReturnType<typeof undisturbed>>, cut: number) {
  // As a store gives it back.
  const recorded = JSON.parse(JSON.stringify(run.events.slice(0, cut))) as RunEvent[];
  const stored = new Set(recorded.flatMap((event) => (event.type === 'adapter' ? [versionOf(event)] : [])));
  const behind = new FakeRuntime();
  const replaying = new RecordedRuntime(behind, recorded, (adapter, _, job) => {
    const key = `${adapter} ${job}`;
    expect(stored).toContain(key);
    behind.states.set(adapter, run.states.get(key) as string);
    return Promise.resolve();
  });
  const events = await logOf(replaying, run.config);
  return { events, behind, replaying };
}

describe('resuming', () => {
  it.each([
    ['from the current adapters', {}, 'multiagent-finetuning'],
    ['from the base', { startFrom: 'base' }, 'multiagent-finetuning'],
    ['with new problems', { problems: 'fresh', iterations: 3 }, 'multiagent-finetuning'],
    ['without baseline, three rounds', { singleAgentBaseline: 'false', rounds: 3 }, 'multiagent-finetuning'],
    ['majority finetuning', {}, 'majority-finetuning'],
    ['STaR', {}, 'star'],
    ['EnsemW2S', { iterations: 1, labels: 'soft' }, 'ensem-w2s'],
    ['EnsemW2S, choice', { iterations: 1, branch: 'choice' }, 'ensem-w2s'],
    ['the preference loop', {}, 'preference-loop'],
    ['MALT: two jobs an iteration', { branches: 2 }, 'malt'],
    ['MALT on chains', { credit: 'chain' }, 'malt'],
    [
      'random labels, a saboteur, one reader',
      { labels: 'random', 'saboteur.seats': 1, reads: 'one' },
      'multiagent-finetuning',
    ],
    ['as released, signed weights', { reading: 'released', 'update.rule': 'advantage' }, 'multiagent-finetuning'],
    [
      'all guards',
      {
        'guard.stop': 'true',
        'guard.ladder': 'true',
        'guard.majority': 'true',
        'evaluate.single': 'last',
        iterations: 3,
      },
      'multiagent-finetuning',
    ],
    ['preferences that are dealt', { 'update.rule': 'dpo', 'saboteur.seats': 1, agents: 4 }, 'random-split'],
    ['preferences that are distilled', { 'distil.rule': 'dpo', rounds: 3 }, 'distil'],
    ['a sabotaged debate', { 'saboteur.seats': 2, reads: 'none' }, 'debate'],
  ])('gives the log of an undisturbed run wherever it was cut (%s)', async (_, overrides, recipe) => {
    const run = await undisturbed(overrides as Record<string, string | number>, recipe);
    const digest = digestOf(run.events);
    const cuts = Array.from({ length: 40 }, (_, i) => drawInt({ seed: 5, stream: 99 }, i, run.events.length + 1));
    const updates = run.events.flatMap((event, index) => (event.type === 'adapter' ? [index, index + 1] : []));
    for (const cut of new Set([0, 1, ...cuts, ...updates, run.events.length])) {
      const { events } = await resumed(run, cut);
      expect(events).toEqual(run.events);
      expect(digestOf(events)).toBe(digest);
    }
  });

  it('asks the model only for what the log lacks', async () => {
    const run = await undisturbed({});
    const whole = await resumed(run, run.events.length);
    expect(whole.behind.asked).toEqual([]);
    expect(whole.behind.trained).toEqual([]);
    expect(whole.behind.created).toEqual([]);
    expect(whole.replaying.replaying).toBe(true);
    const second = run.events.findIndex((event) => event.type === 'iteration-started' && event.iteration === 2);
    const half = await resumed(run, second);
    expect(half.behind.trained.length).toBe(1);
    expect(half.behind.created).toEqual([]);
    expect(half.behind.asked.length).toBeLessThan((2 / 3) * run.asked);
    expect(half.replaying.replaying).toBe(false);
  });

  it('asks of a chunk that was stored in part only the debates that are missing', async () => {
    const run = await undisturbed({});
    const first = run.events.findIndex((event) => event.type === 'episode');
    const { behind, events } = await resumed(run, first + 1);
    expect(events).toEqual(run.events);
    // A chunk has four problems and three seats; one debate was stored.
    expect(behind.asked[0]?.length).toBe(9);
    const [stored] = run.events.slice(first, first + 1);
    const problem = stored?.type === 'episode' ? stored.problem : -1;
    expect(behind.asked[0]?.some(({ at }) => at.problem === problem)).toBe(false);
  });

  it('redoes an interrupted finetuning from the adapters of the iteration before', async () => {
    const run = await undisturbed({});
    const step = run.events.findIndex(
      (event) => event.type === 'training-step' && event.iteration === 2 && event.step === 1,
    );
    const { behind, events } = await resumed(run, step);
    expect(events).toEqual(run.events);
    expect(behind.trained.length).toBe(1);
  });

  it('answers nothing from the log of other problems', async () => {
    const run = await undisturbed({});
    const other = await resumed({ ...run, config: smallConfig({ seed: 1 }) }, 20);
    expect(other.events).toEqual((await undisturbed({ seed: 1 })).events);
  });

  it('tells of the steps that no longer count where the runtime does not repeat itself', async () => {
    const run = await undisturbed({});
    const step = run.events.findIndex(
      (event) => event.type === 'training-step' && event.iteration === 2 && event.step === 1,
    );
    const behind = new FakeRuntime();
    behind.can.repeats = false;
    const told: unknown[][] = [];
    const restore = async (adapter: string, _: number, job: string) =>
      void behind.states.set(adapter, run.states.get(`${adapter} ${job}`) as string);
    const recorded = run.events.slice(0, step + 1);
    const runtime = new RecordedRuntime(behind, recorded, restore, (...args) => told.push(args));
    await logOf(runtime, run.config);
    expect(told).toEqual([['finetune/2', 2, 2]]);
  });
});

describe('texts that are there', () => {
  const at = { purpose: 'train', learner: 'one', iteration: 1, problem: 7 } as const;
  const question = (turn: number, by: string) => ({
    adapter: 'judge',
    messages: [],
    completion: String(turn),
    of: { at, turn, by },
  });
  const turn = { kind: 'answer', agent: 'a', seat: 0, layer: 0, text: '', tokens: 1 } as const;
  const recorded: RunEvent[] = [
    {
      type: 'episode',
      ...at,
      turns: [0, 1].map((n) => ({ ...turn, parents: [], call: `answer-${n}`, finish: 'stop' as const })),
      verdicts: [{ by: 'student', of: [1, 0], scores: [0.25, -3] }],
    },
    {
      type: 'judged',
      iteration: 1,
      by: 'later',
      from: { purpose: 'train', learner: 'one', iteration: 1 },
      turns: [{ problem: 7, turn: 1 }],
      scores: [8],
    },
  ];
  const behind = () =>
    Object.assign(new FakeRuntime(), {
      score: async (questions: unknown[]) => questions.map(() => -1),
      dissimilarity: async (questions: unknown[]) => questions.map(() => 0.5),
      reward: async (questions: { completion: string }[]) =>
        questions.map(({ completion }) => 100 + Number(completion)),
    });
  const over = (runtime: FakeRuntime) => new RecordedRuntime(runtime, recorded, () => Promise.resolve());

  it('have the rewards that became verdicts, and nobody else is asked for these', async () => {
    const runtime = over(new FakeRuntime());
    const questions = [question(0, 'student'), question(1, 'student'), question(1, 'later')];
    expect(await runtime.reward(questions)).toEqual([-3, 0.25, 8]);
    expect(runtime.replaying).toBe(true);
  });

  it('are given to the runtime behind where the log holds no verdict', async () => {
    const runtime = over(behind());
    const unnamed = { adapter: 'judge', messages: [], completion: '5' };
    expect(await runtime.reward([question(0, 'student'), question(0, 'later'), unnamed])).toEqual([-3, 100, 105]);
    expect(await runtime.score([question(0, 'student'), unnamed])).toEqual([-3, -1]);
    expect(runtime.replaying).toBe(false);
    // Texts are compared with each other: one that the log lacks asks for all.
    const together = over(behind());
    const known = [question(0, 'student'), question(1, 'student')];
    expect(await together.dissimilarity(known)).toEqual([-3, 0.25]);
    expect(together.replaying).toBe(true);
    expect(await together.dissimilarity([...known, question(0, 'later')])).toEqual([0.5, 0.5, 0.5]);
  });

  it('are refused in words where the runtime behind has no such operation', async () => {
    const runtime = over(Object.assign(new FakeRuntime(), { reward: undefined }) as unknown as FakeRuntime);
    await expect(runtime.dissimilarity([question(0, 'nobody')])).rejects.toThrow('this runtime gives no embeddings');
    await expect(runtime.reward([question(0, 'nobody')])).rejects.toThrow('this runtime gives no rewards');
  });
});
