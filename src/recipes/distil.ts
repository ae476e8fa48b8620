/**
 * Distilling a debate into one model, as the future work of arXiv 2501.05707 suggests: a society is finetuned as in multiagent finetuning, then
 * it debates its training problems once more, and one fresh adapter learns to say alone what the society said at the end.
 *
 * Ours, since no paper settles it: the winners are the last answers that equal the label, of every seat, and they are learnt under the problem
 * alone, without what their speaker had read. `distil.rule` = dpo learns preferences instead: the last answer of a seat over the same seat's wrong
 * first answer, both under the problem alone, with the untouched model as the reference (the set C− of the paper as pairs). Debate,
 * Reflect and Distill (arXiv 2506.03541) does both, with trees of larger models.
 *
 * The distilled model is compared with society, vote and untouched model at equal calls: it is sampled as often as the society has generations.
 *
 * Names of draws: those of multiagent finetuning; the debate that is distilled has the streams `distil` and `summariseDistil`, iteration L.
 */
import type { Episode } from '../events';
import { STREAMS } from '../random';
import { answersOf, joins, layersOf } from '../society/episode';
import { UNUSED, type Fate } from '../society/fate';
import { DROPPED, pseudoLabel, type Selection } from '../society/selection';
import type { Equal } from '../society/vote';
import { castWith, checkAfter, costWith, SOCIETY, testAlone } from './afterSociety';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { presetsFor } from './presets';
import { choice, number } from './readers';
import { votesNeeded } from './readings';
import type { SettingTable } from './settings';
import { playSociety } from './society';
import { callsOfSociety } from './societyCalls';
import { isSaboteur, playersOf, saboteursNeed } from './societyCast';
import { EXAMPLES, fate as societyFate } from './societyData';
import { ownSettings, SETTINGS_TO_THE_END } from './societySettings';
import { debateStages } from './stages';
import { createAdapters, finetune, holdDebates } from './steps';
import type { Draft, Need, Recipe, RunContext } from './types';

const SETTINGS = {
  'distil.rule': {
    reader: choice('sft', 'dpo'),
    label: 'Distil by',
    line: 'The one model learns the winning answers, or prefers them to the same agent’s wrong first answer.',
    steps: [
      { value: 'sft', label: 'finetuning on winners' },
      { value: 'dpo', label: 'preferences (DPO)' },
    ],
    section: 'main',
    absent: 'sft',
  },
  'distil.beta': {
    reader: number(0, 100, 'above'),
    label: 'Pull to the reference, distilling',
    line: 'For DPO. A larger value keeps the one model closer to the untouched one.',
    section: 'expert',
    absent: 0.1,
  },
  ...SETTINGS_TO_THE_END,
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('distil', (preset, inWords) => ({
  ...ownSettings(preset, inWords),
  singleAgentBaseline: false,
}));

const DISTILLED = { adapter: 'distilled', role: 3, slot: 0 };
/** Part of the training episodes that is distilled. */
const DEBATE = 'distil';
const PLAYER = { agent: DISTILLED.adapter, adapter: DISTILLED.adapter };

const MODEL = {
  key: 'distilled',
  label: 'Distilled',
  name: 'the distilled model',
  agents: [
    {
      id: DISTILLED.adapter,
      label: 'distilled model',
      role: 'distilled model',
      seat: null,
      adapter: DISTILLED.adapter,
    },
  ],
};

function fate(episode: Episode, config: Config, equal: Equal): Fate[] {
  if (episode.part !== DEBATE) return societyFate(SOCIETY, episode, config, equal);
  const { adapter } = DISTILLED;
  const { examples, dropped } = winners([episode], config, equal);
  const last = layersOf(episode) - 1;
  return episode.turns.map(({ answer, layer }, at): Fate => {
    if (answer === undefined) return { to: 'unused', why: UNUSED.summary };
    const example = examples.find(({ turn }) => turn === at);
    if (example)
      return {
        to: 'dataset',
        adapter,
        kind: example.kind,
        why: 'last answer equals the label',
        prompt: example.prompt ?? at,
      };
    if (examples.some(({ rejected }) => rejected?.turn === at))
      return { to: 'dataset', adapter, kind: 'rejected', why: 'the same agent’s last answer is preferred to it' };
    if (layer < last) return { to: 'unused', why: 'only last answers are distilled' };
    return { to: 'dropped', adapter, why: dropped[0]?.reason ?? DROPPED.differs };
  });
}

/**
 * What the one model learns: by sft the last answers that equal the label, by dpo those of seats whose first answer did not, preferred to it.
 * All under the prompt of the seat's first answer, which is the problem alone.
 */
export function winners(
  episodes: readonly Episode[],
  config: Pick<Config, 'agents' | 'minimumVotes' | 'distil' | 'saboteur' | 'reading' | 'guard'>,
  equal: Equal,
): Selection {
  const { distil } = config;
  const pairs = distil?.rule === 'dpo';
  const kind = pairs ? 'pair' : 'winner';
  const examples: Selection['examples'] = [];
  const dropped = new Map<string, number>();
  const drop = (reason: string) => dropped.set(reason, (dropped.get(reason) ?? 0) + 1);
  for (const episode of episodes) {
    const verdict = pseudoLabel(episode, votesNeeded(config));
    const firsts = answersOf(episode, 0);
    const { problem } = episode;
    for (const turn of answersOf(episode, layersOf(episode) - 1)) {
      const first = firsts.find((at) => episode.turns[at]?.seat === episode.turns[turn]?.seat);
      if (isSaboteur(episode.turns[turn]?.seat ?? 0, config)) drop('a saboteur’s answer');
      else if ('rejected' in verdict) drop(verdict.rejected);
      else if (first === undefined) drop(DROPPED.unspoken);
      else if (!joins(episode, verdict.label, turn, equal)) drop(DROPPED.differs);
      else if (!pairs) examples.push({ problem, turn, kind, prompt: first });
      else if (joins(episode, verdict.label, first, equal)) drop('its first answer was right too: nothing to prefer');
      else examples.push({ problem, turn, kind, prompt: first, rejected: { problem, turn: first } });
    }
  }
  return {
    examples,
    available: { [kind]: examples.length },
    dropped: Array.from(dropped, ([reason, count]) => ({ reason, count })),
  };
}

function cost(config: Config): Need {
  const { agents, iterations: iteration, trainProblems } = config;
  const calls = trainProblems * callsOfSociety(config);
  return costWith(config, {
    models: 1,
    adapters: 1,
    rank: config.adapter.rank,
    work: [
      { kind: 'episodes', iteration, purpose: 'train', problems: trainProblems, calls },
      // More than half of a finetuned society's last answers reach the label.
      { kind: 'train', iteration, solve: (trainProblems * agents * 2) / 3, revise: 0 },
    ],
  });
}

function check(config: Config): void {
  checkAfter(config);
  if (config.distil?.beta !== undefined && config.distil.rule !== 'dpo')
    throw new ConfigurationError('distil.beta', 'is not read by distil.rule=sft; choose dpo, or leave it out');
  if (config.distil?.rule === 'dpo' && config.rounds === 1)
    throw new ConfigurationError('distil.rule', 'with one round nobody has a corrected answer; use at least rounds=2');
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime, task } = context;
  const { iterations: iteration, rounds, distil, summary } = config;
  const { heldOut, problems } = yield* playSociety(SOCIETY, context);

  // The finetuned society debates its training problems once more.
  const debates = yield* holdDebates(context, playersOf(SOCIETY, 'society', config), {
    purpose: 'train',
    iteration,
    problems,
    rounds,
    stream: STREAMS.distil,
    summaries: summary === 'base-model',
    summaryStream: STREAMS.summariseDistil,
    released: config.reading === 'released',
    ...(config.reads && { reads: config.reads }),
    part: DEBATE,
  });

  // One fresh adapter learns to say alone what the society said at the end.
  await createAdapters(runtime, config, [DISTILLED]);
  const selection = winners(debates, config, task.equal);
  const { rule = 'sft', beta = 0.1 } = distil ?? {};
  const objective = rule === 'dpo' ? ({ kind: 'dpo', beta } as const) : ({ kind: 'sft' } as const);
  const datasets = [{ ...DISTILLED, selection, episodes: debates }];
  yield* finetune(context, { job: `distil/${iteration}`, iteration, datasets, problems, objective });

  yield* testAlone(context, MODEL.key, [PLAYER], heldOut);
}

export const distil: Recipe<Config> = {
  id: 'distil',
  revision: 1,
  title: 'Distil the debate',
  description:
    'After multiagent finetuning one model learns to say alone what the society said at the end of a debate.',
  paper: 'after arXiv 2501.05707',
  settings: SETTINGS,
  presets: PRESETS,
  check,
  needs: (config) => saboteursNeed(SOCIETY, config),
  cast: (config) => castWith(config, [MODEL]),
  stages: (config) => [
    ...debateStages(config),
    {
      id: 'distil',
      moment: 'train',
      title: 'Distil',
      what: 'One new adapter is trained on the last answers that reached the label.',
      why: 'The society costs many generations for each problem. One model that says the same alone costs one.',
    },
  ],
  cost,
  examples: [
    ...EXAMPLES,
    { kind: 'winner', roles: ['distilled model'], line: 'last answers of a debate that reached the label' },
  ],
  fate,
  run,
};
