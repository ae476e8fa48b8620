import { describe, expect, it } from 'vitest';
import type { DatasetBuilt, DebateHeld, EvaluationDone, RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { STREAMS } from '../../src/random';
import { DivergenceError } from '../../src/recipes/errors';
import { adapterNames } from '../../src/recipes/agents';
import { arithmetic } from '../../src/tasks/arithmetic';
import type { Problem, Task } from '../../src/tasks/types';
import { FakeSociety, logOf, smallConfig } from './fakeSociety';

const ADAPTERS = ['generator-0', 'generator-1', 'generator-2', 'critic-0', 'critic-1', 'critic-2', 'single'];

function of<T extends RunEvent['type']>(events: RunEvent[], type: T): Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}

/** Runs of equal (type, team, purpose) as one line each. */
function outline(events: RunEvent[]): string[] {
  const lines = events.map((event) =>
    [event.type, 'team' in event ? event.team : '', 'purpose' in event ? event.purpose : ''].filter(Boolean).join(' '),
  );
  return lines.filter((line, index) => line !== lines[index - 1]);
}

describe('multiagent finetuning', () => {
  it('logs the algorithm in its order', async () => {
    const events = await logOf(new FakeSociety(), smallConfig({ iterations: 1 }));
    const steps = outline(events).filter((line) => !line.startsWith('training-step'));
    expect(steps).toEqual([
      'run-started',
      'problems',
      'debate base evaluation',
      'evaluation base',
      'iteration-started',
      'problems',
      'debate society train',
      'pseudo-labels society',
      'debate single train',
      'pseudo-labels single',
      'dataset',
      'adapter-updated',
      'debate society evaluation',
      'evaluation society',
      'debate single evaluation',
      'evaluation single',
      'run-finished',
    ]);
    expect(of(events, 'dataset').map(({ adapter }) => adapter)).toEqual(ADAPTERS);
    expect(of(events, 'adapter-updated').map(({ adapter }) => adapter)).toEqual(ADAPTERS);
    expect(adapterNames(smallConfig())).toEqual(ADAPTERS);
    expect(of(events, 'debate').length).toBe(10 * 3 + 14 * 2);
  });

  it('repeats itself exactly, another seed does not, and a chunk size changes nothing', async () => {
    const digest = async (overrides: Record<string, string | number>, from = 0) =>
      digestOf((await logOf(new FakeSociety(), smallConfig(overrides))).slice(from));
    expect(await digest({})).toBe(await digest({}));
    expect(await digest({ seed: 1 })).not.toBe(await digest({}));
    expect(await digest({ chunk: 3 }, 1)).toBe(await digest({ chunk: 100 }, 1));
  });

  it('keeps draws when sizes change: fewer evaluation problems are a part of more', async () => {
    const small = of(await logOf(new FakeSociety(), smallConfig({ evaluationProblems: 6 })), 'debate');
    const large = of(await logOf(new FakeSociety(), smallConfig({ evaluationProblems: 10 })), 'debate');
    const known = new Set(small.filter((d) => d.purpose === 'evaluation').map((d) => d.problem));
    expect(large.filter((d) => d.purpose === 'train' || known.has(d.problem))).toEqual(small);
  });

  it('teaches the society the same with and without the baseline beside it', async () => {
    const both = new FakeSociety();
    const alone = new FakeSociety();
    const withBaseline = await logOf(both, smallConfig({ 'finetune.warmup': 0.25 }));
    const without = await logOf(alone, smallConfig({ 'finetune.warmup': 0.25, singleAgentBaseline: 'false' }));
    const society = (event: RunEvent) =>
      event.type !== 'run-started' &&
      !('team' in event && event.team === 'single') &&
      !('adapter' in event && event.adapter === 'single');
    expect(withBaseline.filter(society)).toEqual(without.filter(society));
    expect(both.finetuned.map(({ optimiser }) => optimiser)).toEqual(alone.finetuned.map(({ optimiser }) => optimiser));
    expect(both.finetuned.length).toBe(2);
  });

  it('shows nothing of gold to the loop', async () => {
    const blind: Task = {
      ...arithmetic,
      solvePrompt(problem) {
        expect(problem).not.toHaveProperty('gold');
        return arithmetic.solvePrompt(problem);
      },
      revisePrompt(problem, own, summary) {
        expect(problem).not.toHaveProperty('gold');
        return arithmetic.revisePrompt(problem, own, summary);
      },
    };
    const readers = new Set<string>();
    const watched = (gold: (problem: Problem) => string): Task => ({
      ...blind,
      problems: (...args) =>
        arithmetic.problems(...args).map(
          (problem) =>
            new Proxy(problem, {
              get(target, key) {
                if (key !== 'gold') return Reflect.get(target, key) as unknown;
                readers.add(
                  /grading|fakeSociety|structuredClone/.exec(new Error().stack ?? '')?.[0] ?? 'somebody else',
                );
                return gold(target);
              },
            }),
        ),
    });
    const run = async (gold: (problem: Problem) => string) => {
      const society = new FakeSociety();
      const events: RunEvent[] = [];
      const { multiagentFinetuning } = await import('../../src/recipes/multiagentFinetuning');
      for await (const event of multiagentFinetuning(society, watched(gold), smallConfig())) {
        if (event.type !== 'problems') events.push(structuredClone(event));
      }
      return { society, events };
    };
    const real = await run(({ gold }) => gold);
    const lied = await run(() => '123456');
    expect([...readers]).toEqual(['grading']);
    expect(lied.society.asked).toEqual(real.society.asked);
    expect(lied.society.finetuned).toEqual(real.society.finetuned);
    const ungraded = (event: RunEvent) => event.type !== 'evaluation' && event.type !== 'pseudo-labels';
    expect(lied.events.filter(ungraded)).toEqual(real.events.filter(ungraded));
    expect(of(lied.events, 'evaluation').every(({ debate }) => debate.right === 0)).toBe(true);
    expect(of(real.events, 'evaluation').some(({ debate }) => debate.right > 0)).toBe(true);
  });

  it('finetunes each agent on exactly its dataset: the prompt it saw, the response it gave', async () => {
    const society = new FakeSociety();
    const events = await logOf(society, smallConfig({ iterations: 1 }));
    const debates = new Map(
      of(events, 'debate')
        .filter((d) => d.purpose === 'train')
        .map((d) => [`${d.team} ${d.problem}`, d]),
    );
    const prompts = new Map(
      society.asked
        .flat()
        .map(({ adapter, messages, name }) => [
          `${adapter} ${name.stream} ${name.problem} ${name.agent} ${name.round}`,
          messages,
        ]),
    );
    for (const dataset of of(events, 'dataset')) {
      const track = society.finetuned[0]?.tracks.find(({ adapter }) => adapter === dataset.adapter);
      const single = dataset.adapter === 'single';
      const expected = dataset.entries.map(({ problem, agent, round }) => ({
        messages: prompts.get(
          `${dataset.adapter} ${single ? STREAMS.baselineSample : STREAMS.sample} ${problem} ${agent} ${round}`,
        ),
        completion: (debates.get(`${single ? 'single' : 'society'} ${problem}`) as DebateHeld).responses[round - 1]?.[
          agent
        ]?.text,
      }));
      expect(track?.examples).toEqual(expected);
      expect(track?.batches.flat().length).toBe(2 * expected.length);
      expect(new Set(track?.batches.flat()).size).toBe(expected.length);
    }
    checkLabels(of(events, 'dataset'), debates);
  });

  it('starts every finetuning from the current adapters, or from fresh ones on request', async () => {
    const current = new FakeSociety();
    await logOf(current, smallConfig());
    expect(current.created.map(([name]) => name)).toEqual(ADAPTERS);
    expect(new Set(current.created.map(([, seed]) => seed)).size).toBe(ADAPTERS.length);
    const base = new FakeSociety();
    await logOf(base, smallConfig({ startFrom: 'base' }));
    expect(base.created).toEqual([...current.created, ...current.created, ...current.created]);
  });

  it('debates new problems in every iteration on request', async () => {
    const drawn = of(await logOf(new FakeSociety(), smallConfig({ problems: 'fresh' })), 'problems');
    expect(drawn.map(({ split, iteration }) => `${split} ${iteration}`)).toEqual([
      'evaluation 0',
      'train 1',
      'train 2',
    ]);
    expect(drawn[1]?.problems).not.toEqual(drawn[2]?.problems);
  });

  it('has no critics when there is one round', async () => {
    const events = await logOf(new FakeSociety(), smallConfig({ rounds: 1, iterations: 1 }));
    expect(of(events, 'dataset').map(({ adapter }) => adapter)).toEqual([
      'generator-0',
      'generator-1',
      'generator-2',
      'single',
    ]);
    for (const { majority, debate } of of(events, 'evaluation')) expect(debate).toEqual(majority);
  });

  it('evaluates a society of fresh adapters exactly as the base: draws are shared', async () => {
    // With no example accepted nothing is trained, so the adapters stay fresh.
    const events = await logOf(new MumblingSociety(), smallConfig({ iterations: 1 }));
    expect(of(events, 'training-step')).toEqual([]);
    expect(of(events, 'adapter-updated').every(({ steps }) => steps === 0)).toBe(true);
    const [base, society, single] = of(events, 'evaluation').map((event): Partial<EvaluationDone> => ({
      ...event,
      team: 'base',
      iteration: 0,
    }));
    expect(society).toEqual(base);
    expect(single).toEqual(base);
  });

  it('stops with a typed error when training diverges', async () => {
    const society = new FakeSociety();
    society.loss = (_, step) => (step === 1 ? NaN : 1);
    await expect(logOf(society, smallConfig())).rejects.toThrow(DivergenceError);
  });
});

/** In training nobody can be read, so no label is accepted. */
class MumblingSociety extends FakeSociety {
  override async ask(questions: Parameters<FakeSociety['ask']>[0]) {
    const answers = await super.ask(questions);
    return questions[0]?.name.stream === STREAMS.evaluate
      ? answers
      : answers.map((answer) => ({ ...answer, text: '?' }));
  }
}

function checkLabels(datasets: DatasetBuilt[], debates: Map<string, DebateHeld>): void {
  for (const { adapter, entries } of datasets) {
    for (const { problem, kind, agent, round } of entries) {
      const debate = debates.get(`${adapter === 'single' ? 'single' : 'society'} ${problem}`) as DebateHeld;
      const label = debate.votes.at(-1);
      expect(label?.count).toBeGreaterThanOrEqual(2);
      expect(debate.responses[round - 1]?.[agent]?.answer).toBe(label?.answer);
      const first = debate.responses[0]?.[agent]?.answer;
      if (kind === 'C-') expect(first).not.toBe(label?.answer);
      if (kind === 'C+') expect(first).toBe(label?.answer);
      if (kind !== 'M') expect(adapter.endsWith(`-${agent}`)).toBe(true);
    }
  }
}
