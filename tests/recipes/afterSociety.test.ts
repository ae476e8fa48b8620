/** What comes after a society: its debate distilled into one model, its generators merged. Selections are worked out by hand. */
import { describe, expect, it } from 'vitest';
import { READING_COST } from '../../src/lab/progress/estimate';
import { ProgressMeter } from '../../src/lab/progress/meter';
import { replayed, spotChecked } from '../../src/lab/stored/verify';
import { recipeNamed } from '../../src/recipes';
import { winners } from '../../src/recipes/distil';
import { ARITHMETIC_WORK, estimateWork, needOf } from '../../src/recipes/work';
import { DROPPED } from '../../src/society/selection';
import { arithmetic } from '../../src/tasks/arithmetic';
import { heldDebate, same } from '../society/handmade';
import { FakeRuntime, hash, logOf, of, smallConfig } from './fakeRuntime';

const debates = [
  heldDebate(10, ['5', '6', '5'], ['5', '5', '5']), // label 5; agent 1 was corrected
  heldDebate(11, ['1', '2', '3'], ['2', '2', '3']), // label 2; agent 0 was corrected, agent 2 is not of the label
  heldDebate(12, ['4', '4', '4'], ['4', null, '4']), // label 4; agent 1 cannot be read
  heldDebate(13, ['1', '2', '3'], ['1', '2', '3']), // too few votes
];

describe('distilling', () => {
  it('learns the last answers that equal the label, under the problem alone', () => {
    const set = winners(debates, { agents: 3, minimumVotes: 2 }, same);
    // Turns 0 to 2 are first answers, 3 to 5 last ones; each is learnt under the prompt of its seat's first answer.
    expect(set.examples.map(({ problem, turn, prompt }) => [problem, turn, prompt])).toEqual([
      [10, 3, 0],
      [10, 4, 1],
      [10, 5, 2],
      [11, 3, 0],
      [11, 4, 1],
      [12, 3, 0],
      [12, 5, 2],
    ]);
    expect(set.available).toEqual({ winner: 7 });
    expect(set.dropped).toEqual([
      { reason: DROPPED.differs, count: 2 },
      { reason: DROPPED.fewVotes, count: 3 },
    ]);
  });

  it('prefers a corrected answer to the same seat’s wrong first one, and learns nothing from the others', () => {
    const set = winners(debates, { agents: 3, minimumVotes: 2, distil: { rule: 'dpo' } }, same);
    expect(set.examples).toEqual([
      { problem: 10, turn: 4, kind: 'pair', prompt: 1, rejected: { problem: 10, turn: 1 } },
      { problem: 11, turn: 3, kind: 'pair', prompt: 0, rejected: { problem: 11, turn: 0 } },
    ]);
    expect(set.dropped.map(({ count }) => count)).toEqual([5, 2, 3]);
  });

  it('trains one fresh adapter after the society, and tests it at the society’s calls', async () => {
    const runtime = new FakeRuntime();
    const events = await logOf(runtime, smallConfig({}, 'distil'));
    expect(runtime.trained.map(({ job }) => job)).toEqual(['finetune/1', 'finetune/2', 'distil/2']);
    const job = runtime.trained[2];
    expect(job?.tracks.map(({ adapter }) => adapter)).toEqual(['distilled']);
    // Learnt under the problem alone, whatever the speaker had read.
    for (const { messages } of job?.tracks[0]?.examples ?? []) expect(messages[0]?.content).not.toContain('@');
    const held = of(events, 'episode').filter(({ part }) => part === 'distil');
    expect(held).toHaveLength(14);
    const config = smallConfig({}, 'distil');
    const fates = held.flatMap((episode) => recipeNamed('distil').fate!(episode, config, same));
    expect(fates.filter(({ to }) => to === 'dataset')).toHaveLength(job?.tracks[0]?.examples.length ?? -1);
    const scores = of(events, 'evaluation').flatMap(({ iteration, scores: all }) =>
      all.map(({ method, calls }) => `${iteration} ${method} ${calls}`),
    );
    expect(scores).toEqual([
      '0 single 1',
      '0 majority 3',
      '0 debate 6',
      '0 majorityEqualCalls 6',
      ...[1, 2].flatMap((l) => [`${l} societySingle 1`, `${l} societyMajority 3`, `${l} societyDebate 6`]),
      '2 distilledSingle 1',
      '2 distilledMajority 3',
      '2 distilledEqualCalls 6',
    ]);
  });

  it('plays the society of multiagent finetuning, draw by draw', async () => {
    const society = of(await logOf(new FakeRuntime(), smallConfig()), 'evaluation');
    for (const recipe of ['distil', 'merge']) {
      const here = of(await logOf(new FakeRuntime(), smallConfig({}, recipe)), 'evaluation');
      for (const iteration of [1, 2]) {
        const found = (all: typeof here) => all.find((one) => one.learner === 'society' && one.iteration === iteration);
        expect(found(here)).toEqual(found(society));
      }
    }
  });

  it('learns preferences by DPO against the untouched model', async () => {
    const runtime = new FakeRuntime();
    await logOf(runtime, smallConfig({ 'distil.rule': 'dpo', 'distil.beta': 0.3 }, 'distil'));
    const [track] = runtime.trained[2]?.tracks ?? [];
    expect(runtime.trained[2]?.objective).toEqual({ kind: 'dpo', beta: 0.3 });
    expect(track?.reference).toBeUndefined();
    expect(track?.pairs?.length).toBeGreaterThan(0);
    for (const { chosen, rejected } of track?.pairs ?? [])
      expect(track?.examples[chosen]?.messages).toEqual(track?.examples[rejected]?.messages);
  });

  it('refuses what has no society, and preferences without corrections', () => {
    expect(() => smallConfig({ iterations: 0 }, 'distil')).toThrow(/^iterations: there is no society/);
    expect(() => smallConfig({ rounds: 1, 'distil.rule': 'dpo' }, 'distil')).toThrow(/^distil\.rule: with one round/);
  });
});

describe('merging', () => {
  it('makes one model of the generators by each rule, and says how', async () => {
    const runtime = new FakeRuntime();
    const events = await logOf(runtime, smallConfig({ 'merge.density': 0.5 }, 'merge'));
    const generators = ['generator-0', 'generator-1', 'generator-2'];
    const rank = 24;
    expect(runtime.merged).toEqual([
      { name: 'merged-task-arithmetic', adapters: generators, rule: { kind: 'task-arithmetic', scale: 0.4 } },
      { name: 'merged-ties', adapters: generators, rule: { kind: 'ties', density: 0.5, scale: 1, rank } },
      ...[0, 1, 2].map((of) => ({ name: `merged-emr-${of}`, adapters: generators, rule: { kind: 'emr', of, rank } })),
    ]);
    const merged = of(events, 'adapter').flatMap(({ adapter, from, hash: own, iteration }) =>
      'merge' in from ? [{ adapter, from, own, iteration }] : [],
    );
    expect(merged.map(({ adapter, iteration }) => `${iteration} ${adapter}`)).toEqual(
      runtime.merged.map(({ name }) => `2 ${name}`),
    );
    expect(merged[1]?.from).toEqual({ merge: generators, rule: 'ties density=0.5 scale=1 rank=24', lost: 0.123 });
    expect(merged[1]?.own).toBe(hash(runtime.states.get('merged-ties')!));
  });

  it('seats EMR’s masked adapters in turn', async () => {
    const events = await logOf(new FakeRuntime(), smallConfig({ 'merge.rules': 'emr' }, 'merge'));
    const [test] = of(events, 'episode').filter(({ learner }) => learner === 'emr');
    expect(test?.turns.map(({ agent }) => agent)).toEqual([0, 1, 2, 0, 1, 2].map((one) => `merged-emr-${one}`));
    expect(
      of(events, 'evaluation')
        .at(-1)
        ?.scores.map(({ method, calls }) => [method, calls]),
    ).toEqual([
      ['emrSingle', 1],
      ['emrMajority', 3],
      ['emrEqualCalls', 6],
    ]);
  });

  it('gives RegMean the texts that each generator learnt from last', async () => {
    const runtime = new FakeRuntime();
    const events = await logOf(runtime, smallConfig({ 'merge.rules': 'regmean', 'merge.offDiagonal': 0.5 }, 'merge'));
    const [job] = runtime.merged;
    expect(job).toMatchObject({ name: 'merged-regmean', rule: { kind: 'regmean', offDiagonal: 0.5 } });
    const last = runtime.trained.at(-1);
    const learnt = (adapter: string) => last?.tracks.find((track) => track.adapter === adapter)?.examples;
    expect(last?.job).toBe('finetune/2');
    expect(job?.texts).toEqual(['generator-0', 'generator-1', 'generator-2'].map(learnt));
    expect(job?.texts?.[0]?.length).toBeGreaterThan(0);
    const merged = of(events, 'adapter').flatMap(({ from }) => ('merge' in from ? [from.rule] : []));
    expect(merged).toEqual(['regmean offDiagonal=0.5']);
    expect(
      of(events, 'evaluation')
        .at(-1)
        ?.scores.map(({ method }) => method),
    ).toEqual(['regMeanSingle', 'regMeanMajority', 'regMeanEqualCalls']);
  });

  it('counts what RegMean reads in the cost, as much as a run reads, and in the progress of the run', async () => {
    const config = smallConfig({ 'merge.rules': 'regmean', singleAgentBaseline: 'false' }, 'merge');
    const runtime = new FakeRuntime();
    const events = await logOf(runtime, config);
    const { work } = needOf(config);
    const planned = (kind: 'train' | 'read') => work.findLast((one) => one.kind === kind) as { solve: number };
    // Which answers are learnt is an estimate; each text that the generators learnt from last is read once.
    const learnt = runtime.trained.at(-1)!.tracks.filter(({ adapter }) => adapter.startsWith('generator'));
    expect(runtime.merged[0]?.texts?.flat()).toHaveLength(learnt.flatMap(({ examples }) => examples).length);
    expect(planned('read').solve).toBe(planned('train').solve);
    expect(planned('read').solve).toBeGreaterThan(0);

    const { solvePrompt, response } = ARITHMETIC_WORK;
    const more = estimateWork(config);
    expect(more.readTokens).toBe(planned('read').solve * (solvePrompt + response));
    const other = smallConfig({ 'merge.rules': 'ties', singleAgentBaseline: 'false' }, 'merge');
    expect(estimateWork(other)).toEqual({ ...more, readTokens: 0 });

    const meter = new ProgressMeter(config);
    const merged = events.findIndex((event) => event.type === 'adapter' && 'merge' in event.from);
    for (const event of events.slice(0, merged)) meter.add(event);
    const before = meter.progress;
    meter.add(events[merged]!);
    const cost = 2 * READING_COST * planned('read').solve;
    const all = work.reduce((sum, one) => {
      if (one.kind === 'episodes') return sum + one.calls;
      return one.kind === 'read' ? sum + cost : sum + 2 * config.finetune.epochs * (one.solve + one.revise);
    }, 0);
    expect(meter.progress - before).toBeCloseTo(cost / all, 9);
  });

  it('is refused by RegMean before its first event where the engine gives no Gram matrices', async () => {
    const runtime = new FakeRuntime();
    runtime.can.grams = false;
    const config = smallConfig({ 'merge.rules': 'ties,regmean' }, 'merge');
    const events: unknown[] = [];
    await expect(logOf(runtime, config, undefined, (event) => events.push(event))).rejects.toThrow(
      /^engine: merge needs Gram matrices of what layers read of generator-0, which this engine \(fake: none\) does not give; the exact engine does/,
    );
    expect(events).toEqual([]);
    expect(await logOf(runtime, smallConfig({ 'merge.rules': 'ties' }, 'merge'))).not.toHaveLength(0);
  });

  it('by RegMean is recomputed and checked without Gram matrices: what was merged comes from the log', async () => {
    const config = smallConfig({ 'merge.rules': 'regmean' }, 'merge');
    const events = await logOf(new FakeRuntime(), config);
    const run = { config, started: of(events, 'run-started')[0]!, events, task: arithmetic };
    expect(await replayed(run)).toBeNull();
    const other = new FakeRuntime();
    other.can.grams = false;
    const none = { answers: new Set<string>(), jobs: new Set<string>() };
    expect(
      await spotChecked(
        run,
        other,
        async () => {},
        none,
        () => {},
      ),
    ).toBeNull();
    expect(other.merged).toEqual([]);
  });

  it('needs room for the merged rank', () => {
    expect(() => smallConfig({ 'adapter.rank': 512 }, 'merge')).toThrow(/^adapter\.rank: .*1536/);
    expect(() => smallConfig({ 'merge.offDiagonal': 1 }, 'merge')).toThrow(/^merge\.offDiagonal: .*up to 0\.99/);
    expect(() => smallConfig({ 'merge.rules': 'ties,average' }, 'merge')).toThrow(
      /^merge\.rules: "average" is not one of/,
    );
  });
});
