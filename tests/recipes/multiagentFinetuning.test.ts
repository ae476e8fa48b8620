import { describe, expect, it } from 'vitest';
import type { DatasetBuilt, Episode, RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { resultsOf } from '../../src/log/results';
import { STREAMS } from '../../src/random';
import { recipeNamed } from '../../src/recipes';
import { DivergenceError } from '../../src/recipes/errors';
import { runRecipe } from '../../src/recipes/run';
import { estimateWork } from '../../src/recipes/work';
import { lastVote } from '../../src/society/episode';
import { arithmetic } from '../../src/tasks/arithmetic';
import type { Problem, Task } from '../../src/tasks/types';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

const ADAPTERS = ['generator-0', 'generator-1', 'generator-2', 'critic-0', 'critic-1', 'critic-2', 'single'];

/** Runs of equal (type, learner, purpose) as one line each. */
function outline(events: RunEvent[]): string[] {
  const lines = events.map((event) =>
    [event.type, 'learner' in event ? event.learner : '', 'purpose' in event ? event.purpose : '']
      .filter(Boolean)
      .join(' '),
  );
  return lines.filter((line, index) => line !== lines[index - 1]);
}

describe('multiagent finetuning', () => {
  it('logs the algorithm in its order', async () => {
    const events = await logOf(new FakeRuntime(), smallConfig({ iterations: 1 }));
    const steps = outline(events).filter((line) => !line.startsWith('training-step'));
    expect(steps).toEqual([
      'run-started',
      'problems',
      'episode base evaluation',
      'evaluation base',
      'iteration-started',
      'problems',
      'episode society train',
      'pseudo-labels society',
      'episode single train',
      'pseudo-labels single',
      'dataset',
      'adapter',
      'episode society evaluation',
      'evaluation society',
      'episode single evaluation',
      'evaluation single',
      'run-finished',
    ]);
    expect(of(events, 'dataset').map(({ adapter }) => adapter)).toEqual(ADAPTERS);
    expect(of(events, 'adapter').map(({ adapter }) => adapter)).toEqual(ADAPTERS);
    expect(of(events, 'episode').length).toBe(10 * 3 + 14 * 2);
  });

  it('says in its first event who takes part and what is compared', async () => {
    const config = smallConfig({ iterations: 0 });
    const [started] = of(await logOf(new FakeRuntime(), config), 'run-started');
    expect(started).toMatchObject({
      format: 2,
      recipe: { id: 'multiagent-finetuning', revision: 1 },
      preset: { id: 'arithmetic-tiny', revision: 2 },
      task: { id: 'arithmetic', revision: 1 },
      arithmetic: 1,
    });
    expect(started?.agents.map(({ label }) => label)).toEqual([
      'untouched model',
      'generator A',
      'generator B',
      'generator C',
      'critic A',
      'critic B',
      'critic C',
      'single model',
    ]);
    expect(started?.methods.map(({ key, calls }) => [key, calls])).toEqual([
      ['single', 1],
      ['majority', 3],
      ['debate', 6],
      ['singleAgentSingle', 1],
      ['singleAgentMajority', 3],
      ['singleAgentDebate', 6],
      ['societySingle', 1],
      ['societyMajority', 3],
      ['societyDebate', 6],
    ]);
    expect(started?.compare[0]).toEqual(['societyDebate', 'debate']);
  });

  it('repeats itself exactly, another seed does not, and a chunk size changes nothing', async () => {
    const digest = async (overrides: Record<string, string | number>, from = 0) =>
      digestOf((await logOf(new FakeRuntime(), smallConfig(overrides))).slice(from));
    expect(await digest({})).toBe(await digest({}));
    expect(await digest({ seed: 1 })).not.toBe(await digest({}));
    expect(await digest({ chunk: 3 }, 1)).toBe(await digest({ chunk: 100 }, 1));
  });

  it('keeps draws when sizes change: fewer evaluation problems are a part of more', async () => {
    const small = of(await logOf(new FakeRuntime(), smallConfig({ evaluationProblems: 6 })), 'episode');
    const large = of(await logOf(new FakeRuntime(), smallConfig({ evaluationProblems: 10 })), 'episode');
    const known = new Set(small.filter((d) => d.purpose === 'evaluation').map((d) => d.problem));
    expect(large.filter((d) => d.purpose === 'train' || known.has(d.problem))).toEqual(small);
  });

  it('teaches the society the same with and without the baseline beside it', async () => {
    const both = new FakeRuntime();
    const alone = new FakeRuntime();
    const withBaseline = await logOf(both, smallConfig({ 'finetune.warmup': 0.25 }));
    const without = await logOf(alone, smallConfig({ 'finetune.warmup': 0.25, singleAgentBaseline: 'false' }));
    const society = (events: RunEvent[]) =>
      events
        .filter((event) => event.type !== 'run-started' && event.type !== 'training-step')
        .filter((event) => !('learner' in event && event.learner === 'single'))
        .filter((event) => !('adapter' in event && event.adapter === 'single'));
    const steps = (events: RunEvent[]) =>
      of(events, 'training-step').flatMap(({ iteration, step, tracks }) =>
        tracks.filter(({ adapter }) => adapter !== 'single').map((track) => ({ iteration, step, ...track })),
      );
    expect(society(withBaseline)).toEqual(society(without));
    expect(steps(withBaseline)).toEqual(steps(without));
    expect(both.trained.map(({ optimiser }) => optimiser)).toEqual(alone.trained.map(({ optimiser }) => optimiser));
    expect(both.trained.map(({ job }) => job)).toEqual(['finetune/1', 'finetune/2']);
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
                readers.add(/recipes.run|structuredClone/.exec(new Error().stack ?? '')?.[0] ?? 'somebody else');
                return gold(target);
              },
            }),
        ),
    });
    const run = async (gold: (problem: Problem) => string) => {
      const runtime = new FakeRuntime();
      const events: RunEvent[] = [];
      const config = smallConfig();
      for await (const event of runRecipe(recipeNamed(config.recipe), { runtime, task: watched(gold), config })) {
        if (event.type !== 'problems') events.push(structuredClone(event));
      }
      return { runtime, events };
    };
    const real = await run(({ gold = '' }) => gold);
    const lied = await run(() => '123456');
    expect([...readers]).toEqual(['recipes/run']);
    expect(lied.runtime.asked).toEqual(real.runtime.asked);
    expect(lied.runtime.trained).toEqual(real.runtime.trained);
    expect(lied.events.filter(isUngraded).map(withoutRight)).toEqual(real.events.filter(isUngraded).map(withoutRight));
    const right = ({ events }: typeof real) => of(events, 'evaluation').map(({ scores }) => scores[2]?.right ?? 0);
    expect(Math.max(...right(lied))).toBe(0);
    expect(Math.max(...right(real))).toBeGreaterThan(0);
    const marks = ({ events }: typeof real) =>
      of(events, 'episode').flatMap(({ turns }) => turns.map((turn) => turn.right));
    expect(new Set(marks(lied))).toEqual(new Set([false]));
    expect(new Set(marks(real))).toEqual(new Set([true, false]));
  });

  it('finetunes each agent on exactly its data set: the prompt it saw, the ids that were sampled', async () => {
    const runtime = new FakeRuntime();
    const events = await logOf(runtime, smallConfig({ iterations: 1 }));
    const episodes = new Map(
      of(events, 'episode')
        .filter((d) => d.purpose === 'train')
        .map((d) => [`${d.learner} ${d.problem}`, d]),
    );
    const prompts = new Map(
      runtime.asked
        .flat()
        .map(({ at, call, messages }) => [`${at.learner} ${at.purpose} ${at.problem} ${call}`, messages]),
    );
    for (const dataset of of(events, 'dataset')) {
      const track = runtime.trained[0]?.tracks.find(({ adapter }) => adapter === dataset.adapter);
      const { learner } = dataset.from;
      const expected = dataset.examples.map(({ problem, turn: at }) => {
        const turn = (episodes.get(`${learner} ${problem}`) as Episode).turns[at];
        const text = turn?.text ?? '';
        return {
          messages: prompts.get(`${learner} train ${problem} ${turn?.call}`),
          completion: text,
          ids: Array.from(text, (character) => character.charCodeAt(0)),
        };
      });
      expect(track?.examples).toEqual(expected);
      expect(track?.batches.flat().length).toBe(2 * expected.length);
      expect(new Set(track?.batches.flat()).size).toBe(expected.length);
    }
    checkLabels(of(events, 'dataset'), episodes);
  });

  it('starts every finetuning from the current adapters, or from fresh ones on request', async () => {
    const current = new FakeRuntime();
    await logOf(current, smallConfig());
    expect(current.created.map(([name]) => name)).toEqual(ADAPTERS);
    expect(new Set(current.created.map(([, seed]) => seed)).size).toBe(ADAPTERS.length);
    const base = new FakeRuntime();
    await logOf(base, smallConfig({ startFrom: 'base' }));
    expect(base.created).toEqual([...current.created, ...current.created, ...current.created]);
  });

  it('debates new problems in every iteration on request', async () => {
    const drawn = of(await logOf(new FakeRuntime(), smallConfig({ problems: 'fresh' })), 'problems');
    expect(drawn.map(({ split, iteration }) => `${split} ${iteration}`)).toEqual([
      'evaluation 0',
      'train 1',
      'train 2',
    ]);
    expect(drawn[1]?.problems).not.toEqual(drawn[2]?.problems);
  });

  it('has no critics when there is one round', async () => {
    const events = await logOf(new FakeRuntime(), smallConfig({ rounds: 1, iterations: 1 }));
    expect(of(events, 'dataset').map(({ adapter }) => adapter)).toEqual([
      'generator-0',
      'generator-1',
      'generator-2',
      'single',
    ]);
    for (const { scores } of of(events, 'evaluation')) {
      expect(scores[2]).toEqual({ ...scores[1], method: scores[2]?.method });
    }
  });

  it('evaluates a society of fresh adapters exactly as the base: draws are shared', async () => {
    // With no example accepted nothing is trained, so the adapters stay fresh.
    const events = await logOf(new MumblingRuntime(), smallConfig({ iterations: 1 }));
    expect(of(events, 'training-step')).toEqual([]);
    expect(of(events, 'adapter').every(({ from }) => 'steps' in from && from.steps === 0)).toBe(true);
    const [base, society, single] = of(events, 'evaluation').map(({ scores, layers }) => ({
      correct: scores.map(({ correct }) => correct),
      layers,
    }));
    expect(society).toEqual(base);
    expect(single).toEqual(base);
  });

  it('tests the single model after the last iteration only where it is asked to', async () => {
    const config = smallConfig({ iterations: 3, 'evaluate.single': 'last' });
    const tested = of(await logOf(new FakeRuntime(), config), 'evaluation');
    expect(tested.map(({ learner, iteration }) => `${learner} ${iteration}`)).toEqual([
      'base 0',
      'society 1',
      'society 2',
      'society 3',
      'single 3',
    ]);
    const { iterations } = resultsOf(await logOf(new FakeRuntime(), config));
    expect(iterations.map(({ methods }) => methods['singleAgentDebate'] !== undefined)).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(estimateWork(config).calls).toBeLessThan(
      estimateWork(smallConfig({ iterations: 3, 'evaluate.single': 'every' })).calls,
    );
  });

  it('stops with a typed error when training diverges', async () => {
    const runtime = new FakeRuntime();
    runtime.loss = (_, step) => (step === 1 ? NaN : 1);
    await expect(logOf(runtime, smallConfig())).rejects.toThrow(DivergenceError);
  });
});

/** In training nobody can be read, so no label is accepted. */
class MumblingRuntime extends FakeRuntime {
  override async ask(questions: Parameters<FakeRuntime['ask']>[0]) {
    const answers = await super.ask(questions);
    return questions[0]?.draw.stream === STREAMS.evaluate
      ? answers
      : answers.map((answer) => ({ ...answer, text: '?' }));
  }
}

function isUngraded(event: RunEvent): boolean {
  return event.type !== 'evaluation' && event.type !== 'pseudo-labels';
}

function withoutRight(event: RunEvent): unknown {
  if (event.type !== 'episode') return event;
  const strip = <T extends { right?: boolean }>({ right: _, ...rest }: T) => rest;
  return { ...event, turns: event.turns.map(strip), verdicts: event.verdicts.map(strip) };
}

function checkLabels(datasets: DatasetBuilt[], episodes: Map<string, Episode>): void {
  for (const { adapter, examples, from } of datasets) {
    for (const { problem, kind, turn: at } of examples) {
      const episode = episodes.get(`${from.learner} ${problem}`) as Episode;
      const label = lastVote(episode);
      const turn = episode.turns[at];
      expect(label?.count).toBeGreaterThanOrEqual(2);
      expect(turn?.answer).toBe(label?.answer);
      const first = episode.turns.find(({ layer, seat }) => layer === 0 && seat === turn?.seat)?.answer;
      if (kind === 'C-') expect(first).not.toBe(label?.answer);
      if (kind === 'C+') expect(first).toBe(label?.answer);
      if (kind !== 'M') expect(adapter).toBe(turn?.agent);
    }
  }
}
