/**
 * Merging a society into one model: multiagent finetuning, and then its N generators become one adapter by task arithmetic (arXiv 2212.04089), by
 * TIES (2306.01708), by EMR (2405.17461) or by RegMean (2212.09849). Each is sampled as often as the society has generations, so society, vote and
 * merged models are compared at equal calls. Merging averages away what makes the agents differ, so the society's debate and vote stand beside it.
 *
 * Ours, since no paper merges such a society: generators are merged and critics are not, for the merged model answers alone. λ = 0.4 for task
 * arithmetic, the value that the authors of TIES use for the plain sum; TIES keeps the largest 20 % of the entries and has λ = 1, as its authors' code.
 * EMR is no single adapter: it has one vector, and a mask and a factor for each agent; the N masked adapters take turns at the seats. TIES and EMR
 * give no product of small matrices; the adapter is the nearest one of rank N·R (`merge.rank` says another), the rank that task arithmetic has
 * exactly. The log says which share of the norm that rank cannot hold.
 * RegMean needs the Gram matrices XᵀX of what every adapted matrix reads. X is what a generator's matrices read, with its adapter on, at all
 * positions of the texts that it learnt from in the last iteration, prompts included. The base drops out of the formula, and what is left is
 * exact at the rank N·R (`engine/merge/regMean.ts`). Entries beside the diagonal are multiplied by 0.9, the larger of the two factors in the
 * authors' configurations. G is a sum over positions, as the paper writes it; the authors' code has a mean. Who learnt from nothing in the
 * last iteration counts for nothing. WebGPU and PyTorch hand out no inputs of layers: a run by RegMean is refused there before it starts, and
 * presets do without it.
 *
 * Names of draws: those of multiagent finetuning.
 */
import { RUN_LIMITS } from '../engine/limits';
import type { MergeRule } from '../engine/merge/rules';
import { castWith, checkAfter, costWith, SOCIETY, testAlone, type Alone } from './afterSociety';
import { letter } from './casts';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { examplesOf } from './examples';
import { presetsFor } from './presets';
import { integer, number, some } from './readers';
import type { SettingTable } from './settings';
import { playSociety } from './society';
import { isSaboteur, saboteursNeed, seatsOf } from './societyCast';
import { EXAMPLES, fate } from './societyData';
import { ownSettings, SETTINGS_TO_THE_END } from './societySettings';
import { debateStages } from './stages';
import type { Draft, Need, Recipe, RunContext } from './types';

const RULES = ['task-arithmetic', 'ties', 'emr', 'regmean'] as const;
type Rule = (typeof RULES)[number];
/** Those that every engine can do. */
const ANYWHERE: readonly Rule[] = ['task-arithmetic', 'ties', 'emr'];

const SETTINGS = {
  'merge.rules': {
    reader: some(RULES),
    label: 'Merge by',
    line: 'Rules by which the generators become one. Each gives a model that is tested. RegMean needs the exact engine.',
    section: 'main',
  },
  'merge.lambda': {
    reader: number(0, 10, 'above'),
    label: 'Factor of the sum',
    symbol: 'λ',
    line: 'For task arithmetic. What the generators have learnt is added up and multiplied by this.',
    section: 'expert',
    absent: 0.4,
  },
  'merge.density': {
    reader: number(0, 1, 'above'),
    label: 'Share of entries kept',
    line: 'For TIES. Only the largest entries of what each generator has learnt count.',
    section: 'expert',
    absent: 0.2,
  },
  'merge.offDiagonal': {
    // With 1 the sum has no inverse where a layer reads fewer different inputs than it has features: the first one, with few tokens.
    reader: number(0, 0.99),
    label: 'Factor beside the diagonal',
    line: 'For RegMean: how much it counts that two features are large together. 0 = each feature by itself.',
    section: 'expert',
    absent: 0.9,
  },
  'merge.rank': {
    reader: integer(0, RUN_LIMITS.rank.max),
    label: 'Rank of merged adapters',
    line: 'For TIES and EMR: their results need a larger rank. 0 = agents times the adapter’s rank.',
    section: 'expert',
    absent: 0,
  },
  ...SETTINGS_TO_THE_END,
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

const PRESETS = presetsFor<Config>('merge', (preset, inWords) => ({
  ...ownSettings(preset, inWords),
  singleAgentBaseline: false,
  merge: { rules: [...ANYWHERE] },
}));

/** Seats whose generators learn. */
const speakersOf = (config: Config) => seatsOf(config).filter((seat) => !isSaboteur(seat, config));

/** A model that comes out of a rule: its adapters, each with how it is made. */
interface Merged extends Alone {
  adapters: { name: string; rule: MergeRule }[];
}

const LABELS: Readonly<Record<Rule, string>> = {
  'task-arithmetic': 'Task arithmetic',
  ties: 'TIES',
  emr: 'EMR',
  regmean: 'RegMean',
};
const KEYS: Readonly<Record<Rule, string>> = {
  'task-arithmetic': 'taskArithmetic',
  ties: 'ties',
  emr: 'emr',
  regmean: 'regMean',
};

/** Of TIES and EMR, and of task arithmetic and RegMean. */
const ranksOf = ({ agents, adapter, merge: { rank = 0 } }: Config) => ({
  nearest: rank || agents * adapter.rank,
  exact: agents * adapter.rank,
});

/** The adapters that a rule makes, by name. */
function adaptersOf(rule: Rule, config: Config): Merged['adapters'] {
  const { lambda = 0.4, density = 0.2, offDiagonal = 0.9 } = config.merge;
  const { nearest: rank } = ranksOf(config);
  switch (rule) {
    case 'task-arithmetic':
      return [{ name: 'merged-task-arithmetic', rule: { kind: rule, scale: lambda } }];
    case 'ties':
      return [{ name: 'merged-ties', rule: { kind: rule, density, scale: 1, rank } }];
    case 'emr':
      return speakersOf(config).map((seat, of) => ({ name: `merged-emr-${seat}`, rule: { kind: rule, of, rank } }));
    case 'regmean':
      return [{ name: 'merged-regmean', rule: { kind: rule, offDiagonal } }];
  }
}

function modelsOf(config: Config): Merged[] {
  return config.merge.rules.map((rule): Merged => {
    const adapters = adaptersOf(rule, config);
    const agents = adapters.map(({ name }, seat) => ({
      id: name,
      label: adapters.length === 1 ? `merged by ${LABELS[rule]}` : `merged by ${LABELS[rule]}, part ${letter(seat)}`,
      role: 'merged model',
      seat: adapters.length === 1 ? null : seat,
      adapter: name,
    }));
    return {
      key: KEYS[rule],
      label: `Merged by ${LABELS[rule]}`,
      name: `the model merged by ${LABELS[rule]}`,
      agents,
      adapters,
    };
  });
}

/** A rule with its numbers, for the log. */
function described({ kind, ...numbers }: MergeRule): string {
  return [kind, ...Object.entries(numbers).map(([name, value]) => `${name}=${value}`)].join(' ');
}

function cost(config: Config): Need {
  const models = modelsOf(config);
  const adapters = models.reduce((sum, model) => sum + model.adapters.length, 0);
  // RegMean reads what each generator learnt from last: half of its answers, as the society's cost has it.
  const solve = (speakersOf(config).length * config.trainProblems) / 2;
  const reads = config.merge.rules.includes('regmean');
  return costWith(config, {
    models: models.length,
    adapters,
    rank: Math.max(...Object.values(ranksOf(config))),
    work: reads ? [{ kind: 'read', iteration: config.iterations, solve, revise: 0 }] : [],
  });
}

/** Numbers of the rules, and who reads them. */
const READ_BY: Readonly<Record<Exclude<keyof Config['merge'], 'rules'>, readonly Rule[]>> = {
  lambda: ['task-arithmetic'],
  density: ['ties'],
  offDiagonal: ['regmean'],
  rank: ['ties', 'emr'],
};

function check(config: Config): void {
  checkAfter(config);
  for (const [key, rules] of Object.entries(READ_BY)) {
    const given = config.merge[key as keyof typeof READ_BY] !== undefined;
    if (given && !rules.some((rule) => config.merge.rules.includes(rule)))
      throw new ConfigurationError(
        `merge.${key}`,
        `is read by ${rules.join(' and ')} alone; add ${rules.length > 1 ? 'one' : 'it'} to merge.rules, or leave it out`,
      );
  }
  const { exact: rank } = ranksOf(config);
  if (rank > RUN_LIMITS.rank.max)
    throw new ConfigurationError(
      'adapter.rank',
      `merged adapters have the rank agents × adapter.rank = ${rank}, above ${RUN_LIMITS.rank.max}; lower one of them`,
    );
}

async function* run(context: RunContext<Config>): AsyncGenerator<Draft, void, void> {
  const { config, runtime, task } = context;
  const { iterations: iteration } = config;
  const { heldOut, problems, datasets } = yield* playSociety(SOCIETY, context);
  if (!runtime.merge) throw new ConfigurationError('recipe', 'merge needs a runtime that merges adapters');
  const generators = speakersOf(config).map((seat) => SOCIETY.adapter('generator', seat));
  const texts = generators.map((generator) =>
    datasets
      .filter(({ adapter }) => adapter === generator)
      .flatMap(({ selection, episodes }) => examplesOf(task, selection.examples, episodes, problems).examples),
  );
  for (const { key, adapters } of modelsOf(config)) {
    for (const { name, rule } of adapters) {
      const learnt = rule.kind === 'regmean' && { texts };
      const { hash, lost: exact } = await runtime.merge({ name, iteration, adapters: generators, rule, ...learnt });
      const lost = Math.round(exact * 1000) / 1000;
      const from = { merge: generators, rule: described(rule), ...(lost > 0 && { lost }) };
      yield { type: 'adapter', iteration, adapter: name, hash, from };
    }
    yield* testAlone(
      context,
      key,
      adapters.map(({ name }) => ({ agent: name, adapter: name })),
      heldOut,
    );
  }
}

export const merge: Recipe<Config> = {
  id: 'merge',
  // 2: fewer passes where a merged matrix is brought to its rank, so other last digits.
  revision: 2,
  title: 'Merge the society',
  description: 'After multiagent finetuning the generators are merged into one model, by several rules.',
  paper: 'after arXiv 2501.05707',
  settings: SETTINGS,
  presets: PRESETS,
  check,
  // What never learnt has nothing to merge.
  needs: (config) => ({
    ...saboteursNeed(SOCIETY, config),
    ...Object.fromEntries(
      speakersOf(config).map((seat) => [
        SOCIETY.adapter('generator', seat),
        ['training', 'merging', ...(config.merge.rules.includes('regmean') ? (['grams'] as const) : [])],
      ]),
    ),
  }),
  cast: (config) => castWith(config, modelsOf(config)),
  stages: debateStages,
  cost,
  examples: EXAMPLES,
  fate: (episode, config, equal) => fate(SOCIETY, episode, config, equal),
  run,
};
