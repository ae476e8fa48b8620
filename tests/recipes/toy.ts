/**
 * A recipe of the tests, as small as a recipe can be that has what multiagent finetuning has not: a tree of answers, a judge's scores,
 * two training jobs in an iteration (examples, then preferences) and an evaluation of its own. `docs/recipes.md` walks through it.
 */
import type { Cast, Episode, GroupKey } from '../../src/events';
import { drawUniform, STREAMS } from '../../src/random';
import { baseAgent, baseLearner } from '../../src/recipes/casts';
import type { ConfigOf } from '../../src/recipes/config';
import { presetsFor } from '../../src/recipes/presets';
import { integer } from '../../src/recipes/readers';
import type { SettingTable } from '../../src/recipes/settings';
import { createAdapters, finetune } from '../../src/recipes/steps';
import type { Draft, Need, Recipe, RunContext } from '../../src/recipes/types';
import { openEpisodes, speak } from '../../src/society/episode';
import { UNUSED, type Fate } from '../../src/society/fate';
import { select } from '../../src/society/selection';
import type { Split, Ungraded } from '../../src/tasks/types';

const SETTINGS = {
  branches: { reader: integer(2, 4), label: 'Branches', line: 'Revisions of every first answer.', section: 'main' },
} as const satisfies SettingTable;

type Config = ConfigOf<typeof SETTINGS>;

const LEARNING = { adapter: 'grower', role: 0, slot: 0 };

function cast({ branches }: Config): Cast {
  return {
    agents: [baseAgent(), { id: 'grower', label: 'grower', role: 'grower', seat: 0, adapter: 'grower' }],
    learners: [baseLearner(), { key: 'tree', label: 'Tree', name: 'the tree', agents: ['grower'] }],
    methods: [
      { key: 'rootBefore', label: 'Root, untouched', learner: 'base', answer: 'root', calls: 1 },
      { key: 'bestBefore', label: 'Best leaf, untouched', learner: 'base', answer: 'best', calls: 1 + branches },
      { key: 'root', label: 'Root', learner: 'tree', answer: 'root', calls: 1 },
      { key: 'best', label: 'Best leaf', learner: 'tree', answer: 'best', calls: 1 + branches },
    ],
    compare: [['best', 'bestBefore']],
  };
}

/** The judge's favourite leaf is an example; the root is one when the judge liked none of its leaves better. */
function fate({ purpose, learner, turns, verdicts }: Episode): Fate[] {
  const scores = verdicts.find(({ by }) => by === 'judge');
  const best = scores?.ranking?.[0];
  return turns.map((_, at): Fate => {
    if (purpose === 'evaluation') return { to: 'unused', why: UNUSED.heldOut };
    if (learner === 'base') return { to: 'unused', why: UNUSED.base };
    if (at === best) return { to: 'dataset', adapter: 'grower', kind: 'best', why: 'the judge scored it highest' };
    return { to: 'dropped', adapter: 'grower', why: 'the judge scored another one higher' };
  });
}

async function* grow(
  { runtime, task, config }: RunContext<Config>,
  learner: string,
  purpose: Split,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, Episode[], void> {
  const group: GroupKey = { purpose, learner, iteration };
  const adapter = learner === 'base' ? null : LEARNING.adapter;
  const agent = adapter ?? 'base';
  const stream = purpose === 'evaluation' ? STREAMS.evaluate : STREAMS.sample;
  const drawn = purpose === 'evaluation' ? 0 : iteration;
  const episodes = openEpisodes(group, problems);
  const draw = (problem: number, seat: number, round: number) => ({
    stream,
    iteration: drawn,
    agent: seat,
    problem,
    round,
  });
  await speak(runtime, task, problems, episodes, ({ problem }) => [
    { call: 'root', kind: 'answer', agent, adapter, seat: 0, layer: 0, parents: [], draw: draw(problem, 0, 1) },
  ]);
  await speak(runtime, task, problems, episodes, ({ problem }) =>
    Array.from({ length: config.branches }, (_, branch) => ({
      call: `leaf-${branch}`,
      kind: 'revision',
      agent,
      adapter,
      seat: branch,
      layer: 1,
      parents: [0],
      draw: draw(problem, branch, 2),
    })),
  );
  for (const episode of episodes) {
    const of = episode.turns.map((_, at) => at);
    // A judge without knowledge: it scores by lot, and what it says is in the log.
    const scores = of.map((at) =>
      drawUniform({ seed: config.seed, stream: STREAMS.select, problem: episode.problem, round: at }, 0),
    );
    const ranking = [...of].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    episode.verdicts.push({ by: 'judge', of, scores, ranking });
  }
  yield* episodes;
  return episodes;
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime } = context;
  const heldOut = yield* context.problems('evaluation', config.evaluationProblems, 0, 0);
  yield* evaluate(context, 'base', heldOut, 0);
  await createAdapters(runtime, config, [LEARNING]);
  const problems = yield* context.problems('train', config.trainProblems, 1, 0);
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    yield { type: 'iteration-started', iteration };
    const episodes = yield* grow(context, 'tree', 'train', problems, iteration);
    const best = select(episodes, episodes.map(fate), LEARNING.adapter, ['best']);
    yield* finetune(context, {
      job: `examples/${iteration}`,
      iteration,
      problems,
      datasets: [{ ...LEARNING, selection: best, episodes }],
    });
    const pairs = {
      ...best,
      examples: best.examples.map((example) => ({
        ...example,
        kind: 'pair',
        rejected: { problem: example.problem, turn: worst(episodes, example.problem) },
      })),
    };
    yield* finetune(context, {
      job: `preferences/${iteration}`,
      iteration,
      problems,
      objective: { kind: 'dpo', beta: 0.1 },
      datasets: [{ ...LEARNING, selection: pairs, episodes }],
    });
    yield* evaluate(context, 'tree', heldOut, iteration);
  }
}

function worst(episodes: readonly Episode[], problem: number): number {
  const episode = episodes.find((one) => one.problem === problem);
  return episode?.verdicts[0]?.ranking?.at(-1) ?? 0;
}

async function* evaluate(
  context: RunContext<Config>,
  learner: string,
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  const episodes = yield* grow(context, learner, 'evaluation', problems, iteration);
  const group: GroupKey = { purpose: 'evaluation', learner, iteration };
  const [root, best] = learner === 'base' ? ['rootBefore', 'bestBefore'] : ['root', 'best'];
  const answer = ({ turns }: Episode, at: number) => turns[at]?.answer ?? null;
  yield {
    type: 'evaluate',
    iteration,
    learner,
    group,
    methods: [
      { method: root as string, turns: [0], answers: episodes.map((episode) => answer(episode, 0)) },
      {
        method: best as string,
        turns: Array.from({ length: context.config.branches + 1 }, (_, at) => at),
        answers: episodes.map((episode) => answer(episode, episode.verdicts[0]?.ranking?.[0] ?? 0)),
      },
    ],
  };
}

function cost({ branches, iterations, trainProblems, evaluationProblems, chunk, adapter }: Config): Need {
  const calls = 1 + branches;
  const test = (iteration: number) =>
    ({
      kind: 'episodes',
      iteration,
      purpose: 'evaluation',
      problems: evaluationProblems,
      calls: evaluationProblems * calls,
    }) as const;
  return {
    rows: Math.min(chunk, trainProblems) * branches,
    seats: branches,
    quotes: { others: 1, summarised: false },
    adapters: 1,
    rank: adapter.rank,
    tracks: { solve: 0, revise: 1 },
    work: [
      test(0),
      ...Array.from({ length: iterations }, (_, l) => l + 1).flatMap((iteration): Need['work'] => [
        { kind: 'episodes', iteration, purpose: 'train', problems: trainProblems, calls: trainProblems * calls },
        { kind: 'train', iteration, solve: 0, revise: trainProblems },
        { kind: 'train', iteration, solve: 0, revise: 2 * trainProblems },
        test(iteration),
      ]),
    ],
  };
}

export const toy: Recipe<Config> = {
  id: 'toy-tree',
  revision: 1,
  title: 'Toy tree',
  description: 'One model grows a small tree of answers; a judge by lot scores them.',
  paper: 'none',
  settings: SETTINGS,
  presets: presetsFor<Config>('toy-tree', () => ({ branches: 2 })),
  cast,
  stages: () => [
    {
      id: 'grow',
      moment: 'answer',
      title: 'Grow',
      what: 'A first answer and its revisions.',
      why: 'To have a choice.',
    },
    {
      id: 'judge',
      moment: 'verdict',
      title: 'Judge',
      what: 'A judge scores the answers by lot.',
      why: 'Somebody has to.',
    },
    {
      id: 'learn',
      moment: 'train',
      title: 'Learn',
      what: 'Examples, then preferences.',
      why: 'Two jobs, one adapter.',
    },
  ],
  cost,
  fate,
  run,
};
