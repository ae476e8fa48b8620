/** The settings of the preference loop. K, β, the margin and the reference are this lab's choices: the paper's are not known. */
import { RUN_LIMITS } from '../engine/limits';
import { taskNamed } from '../tasks';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { LARGER_STRATEGIES_MODEL, presetsFor, STRATEGIES_PREFERENCES, STRATEGIES_REVISED } from './presets';
import { choice, integer, modelOrNone, number } from './readers';
import { steps, type SettingTable } from './settings';

export const TEACHERS = ['checker', 'vote', 'human', 'model'] as const;
export const JUDGES = ['vote', 'checker', 'likelihood', 'human'] as const;

export const SETTINGS = {
  samples: {
    reader: integer(2, RUN_LIMITS.agents.max),
    label: 'Samples',
    symbol: 'K',
    line: 'How often the policy answers each problem. This lab’s choice: the paper’s number is not known.',
    steps: steps(2, 4, 8, 16),
    section: 'main',
  },
  teacher: {
    reader: choice(...TEACHERS),
    label: 'Teacher',
    line: 'Who scores the two answers that the student picked: the true answer, how many samples agree, a larger model, or a person.',
    steps: [
      { value: 'checker', label: 'the true answer' },
      { value: 'vote', label: 'agreement of the samples' },
      { value: 'model', label: 'a larger model' },
      { value: 'human', label: 'you' },
    ],
    section: 'main',
  },
  teacherModel: {
    reader: modelOrNone(),
    label: 'Model of the teacher',
    line: 'A larger model with the same tokenizer: of two answers the more probable one is the better one, by the token.',
    steps: [{ value: 'none', label: 'none' }],
    section: 'expert',
    absent: 'none',
  },
  judge: {
    reader: choice(...JUDGES),
    label: 'Judge of the win rate',
    line: 'Who compares held-out answers with the untouched model’s. It is neither the teacher nor the student.',
    steps: [
      { value: 'vote', label: 'the untouched model’s other samples' },
      { value: 'checker', label: 'the true answer' },
      { value: 'likelihood', label: 'probability under the untouched model' },
      { value: 'human', label: 'you' },
    ],
    section: 'main',
  },
  warmupProblems: {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Warm-up problems',
    line: 'The teacher scores all samples of so many problems first, at most all. A fresh student knows nothing. This lab’s choice.',
    steps: steps(6, 12, 24, 25, 50, 100),
    section: 'expert',
  },
  beta: {
    reader: number(0, 100, 'above'),
    label: 'Beta',
    symbol: 'β',
    line: 'How strongly DPO holds the policy to its reference. This lab’s choice: the paper’s number is not known.',
    steps: steps(0.05, 0.1, 0.3, 0.5, 1),
    section: 'expert',
  },
  margin: {
    reader: number(0, 100),
    label: 'Margin',
    line: 'How much higher the student should score the better text. This lab’s choice: the paper’s number is not known.',
    steps: steps(0, 0.5, 1, 2),
    section: 'expert',
  },
  reference: {
    reader: choice('previous', 'base'),
    label: 'Reference',
    line: 'The policy that DPO holds to. This lab’s choice: the paper’s is not known.',
    steps: [
      { value: 'previous', label: 'the policy before the iteration' },
      { value: 'base', label: 'the untouched model' },
    ],
    section: 'expert',
  },
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

/** Problems of the warm-up by preset; a tenth to a quarter of the training problems elsewhere. */
const WARM_UP: Readonly<Record<string, number>> = {
  'arithmetic-tiny': 6,
  'strategies-tiny': 6,
  'arithmetic-quick': 25,
  'strategies-quick': 25,
  arithmetic: 50,
};

export const PRESETS = presetsFor<Config>(
  'preference-loop',
  (preset) => ({
    samples: 4,
    ...(preset.startsWith('strategies')
      ? { teacher: 'model', teacherModel: LARGER_STRATEGIES_MODEL, finetune: STRATEGIES_PREFERENCES }
      : { teacher: 'checker' }),
    judge: 'vote',
    warmupProblems: WARM_UP[preset] ?? (preset.endsWith('quick') ? 12 : 50),
    beta: 0.1,
    margin: 1,
    reference: 'previous',
  }),
  STRATEGIES_REVISED,
);

/** Settings that do not go together. @throws ConfigurationError */
export function check({ teacher, teacherModel, judge: by, samples: K, task }: Config): void {
  if (teacher === 'model' && teacherModel === undefined)
    throw new ConfigurationError(
      'teacherModel',
      'is none, and the teacher is a model; name one with the same tokenizer, or choose teacher=checker, vote or human',
    );
  if (teacher !== 'model' && teacherModel !== undefined)
    throw new ConfigurationError(
      'teacherModel',
      `${teacherModel} would not be asked, since the teacher is ${teacher}; choose teacher=model, or leave it out`,
    );
  if ((by as string) === teacher)
    throw new ConfigurationError(
      'judge',
      `${by} is the teacher, who would judge its own work; choose one of ${JUDGES.filter((one) => one !== by).join(', ')}`,
    );
  if (taskNamed(task).ungraded && teacher === 'checker')
    throw new ConfigurationError(
      'teacher',
      `${task} has no true answers for a checker; choose teacher=vote or teacher=human`,
    );
  if (taskNamed(task).ungraded && by === 'checker')
    throw new ConfigurationError(
      'judge',
      `${task} has no true answers for a checker; choose judge=likelihood or judge=human`,
    );
  if (by === 'vote' && K < 3)
    throw new ConfigurationError('judge', 'vote needs samples=3 or more: the other samples judge the first one');
}

/** Problems of the warm-up: all training problems where there are fewer than it asks for. */
export function warmupSize({ warmupProblems, trainProblems }: Config): number {
  return Math.min(warmupProblems, trainProblems);
}
