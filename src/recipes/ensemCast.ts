/** Who takes part in EnsemW2S, what is compared, what it costs, and its stages in words. */
import type { Agent, Cast, Learner } from '../events';
import { taskNamed } from '../tasks';
import { baseAgent, baseLearner } from './casts';
import { labelledProblems, type Config } from './ensemSettings';
import type { Learning } from './steps';
import type { ExampleKind, Need, Stage, Work } from './types';

/** Who labels hard problems for a student, and the student. Keys of learners are keys of their methods. */
export const STUDENTS = [
  { key: 'student', teacher: 'ensemble', label: 'Student of the ensemble', name: 'the ensemble’s student' },
  {
    key: 'studentOfTeacher',
    teacher: 'teacher',
    label: 'Student of one teacher',
    name: 'the single teacher’s student',
  },
  { key: 'studentOfBagging', teacher: 'bagging', label: 'Student of bagging', name: 'the bagged experts’ student' },
  { key: 'studentOfGold', teacher: null, label: 'Student of true labels', name: 'the student with true labels' },
] as const;
export type StudentKey = (typeof STUDENTS)[number]['key'];
/** The larger model as it is, where the students have one. */
export const STRONG = { key: 'strong', adapter: 'strong', role: 7, slot: 0 } as const;

/** Adapters by what they are; numbers of experts begin with 1. */
export const EXPERT = (t: number): Learning => ({ adapter: `expert-${t}`, role: 3, slot: t });
export const BAGGED = (t: number): Learning => ({ adapter: `bagged-${t}`, role: 4, slot: t });
export const TEACHER: Learning = { adapter: 'teacher', role: 5, slot: 0 };
/** All begin with the same weights and read their examples in the same order, so labels are all they differ in. */
export const STUDENT = (key: StudentKey): Learning => ({ adapter: key, role: 6, slot: 0 });

/** 1..T */
export function rounds({ experts }: Pick<Config, 'experts'>): number[] {
  return Array.from({ length: experts }, (_, t) => t + 1);
}

export function cast(config: Config): Cast {
  const larger = config.studentModel !== undefined;
  const own = (id: string, label: string, role: string): Agent => ({ id, label, role, seat: null, adapter: id });
  const mixed = (id: string, label: string): Agent => ({ ...own(id, label, label), adapter: null });
  const experts = rounds(config).map((t) => own(EXPERT(t).adapter, `expert ${t}`, 'expert'));
  const bagged = rounds(config).map((t) => own(BAGGED(t).adapter, `bagged expert ${t}`, 'bagged expert'));
  const learners: Learner[] = [
    baseLearner(),
    { key: 'teacher', label: 'One weak teacher', name: 'the single teacher', agents: ['teacher'] },
    { key: 'ensemble', label: 'Boosted ensemble', name: 'the ensemble', agents: experts.map(({ id }) => id) },
    { key: 'bagging', label: 'Uniform bagging', name: 'the bagged experts', agents: bagged.map(({ id }) => id) },
    ...STUDENTS.map(({ key, label, name }) => ({ key, label, name, agents: [key] })),
    ...(larger
      ? [{ key: STRONG.key, label: 'Untouched larger model', name: 'the larger model', agents: ['strong'] }]
      : []),
  ];
  const calls: Record<string, number> = { ensemble: config.experts, bagging: config.experts };
  return {
    agents: [
      baseAgent(),
      own('teacher', 'single teacher', 'single teacher'),
      ...experts,
      ...bagged,
      mixed('ensemble', 'ensemble'),
      mixed('bagging', 'bagging'),
      ...STUDENTS.map(({ key, name }) => own(key, name.replace(/^the /, ''), 'student')),
      ...(larger ? [own(STRONG.key, 'larger model', 'larger model')] : []),
    ],
    learners,
    methods: learners.map(({ key, label }) => ({
      key: key === 'base' ? 'single' : key,
      label: key === 'base' ? 'Untouched model' : label,
      learner: key,
      answer: 'single',
      calls: calls[key] ?? 1,
    })),
    compare: [
      ['student', 'studentOfTeacher'],
      ['student', 'studentOfBagging'],
      ['student', 'teacher'],
      ['student', 'single'],
      ...(larger ? [['student', STRONG.key] as [string, string]] : []),
      ['ensemble', 'teacher'],
      ['ensemble', 'bagging'],
      ['studentOfGold', 'student'],
    ],
    recovered: [
      ['teacher', 'student', 'studentOfGold'],
      ['teacher', 'studentOfTeacher', 'studentOfGold'],
      ['teacher', 'studentOfBagging', 'studentOfGold'],
    ],
  };
}

export const EXAMPLES: readonly ExampleKind[] = [
  { kind: 'solution', roles: ['single teacher', 'expert', 'bagged expert', 'student'], line: 'true solutions' },
  { kind: 'label', roles: ['student'], line: 'answers of the teacher to hard problems' },
];

/** Candidates of a problem in the choice branch, about. */
const CANDIDATES = 2;

export function cost(config: Config): Need {
  const { branch, experts, iterations, trainProblems, evaluationProblems, chunk, adapter } = config;
  const known = labelledProblems(config);
  const hard = trainProblems - known;
  const choice = branch === 'choice';
  const samples = choice || config.labels === 'hard' ? 1 : config.samples;
  // In the choice branch every expert reads every candidate; a mixture that writes is one response.
  const each = choice ? CANDIDATES : 1;
  const voices = choice ? 2 * experts + 1 : 3;
  const read = each * (trainProblems + known * experts);
  const larger = config.studentModel === undefined ? 0 : 1;
  const learners = (choice ? 2 * experts + 5 : 7) + larger;
  const at = (iteration: number): Work[] => [
    {
      kind: 'episodes',
      iteration,
      purpose: 'train',
      problems: trainProblems + known * experts + 3 * hard,
      calls: read + hard * samples * each * voices,
    },
    ...rounds(config).map((t): Work => ({ kind: 'train', iteration, solve: known * (t === 1 ? 3 : 2), revise: 0 })),
    { kind: 'train', iteration, solve: hard * (3 * samples + 1), revise: 0 },
    {
      kind: 'episodes',
      iteration,
      purpose: 'evaluation',
      problems: (7 + larger) * evaluationProblems,
      calls: evaluationProblems * each * learners,
    },
  ];
  // Students of a larger model are tested before they learn, too.
  const fresh = larger === 0 ? 0 : STUDENTS.length + 1;
  const tested = evaluationProblems * (1 + fresh);
  const first = { kind: 'episodes', iteration: 0, purpose: 'evaluation', problems: tested } as const;
  return {
    rows: Math.min(chunk, Math.max(trainProblems, evaluationProblems)) * Math.max(experts, samples),
    seats: choice ? CANDIDATES : samples,
    quotes: { others: 0, summarised: false },
    adapters: 1 + 2 * experts + STUDENTS.length,
    rank: Math.max(adapter.rank, config.studentRank),
    tracks: { solve: STUDENTS.length, revise: 0 },
    work: [{ ...first, calls: tested * each }, ...Array.from({ length: iterations }, (_, l) => at(l + 1)).flat()],
  };
}

/** The stages in words. */
export function stages({ branch, task, labels, studentModel }: Config): Stage[] {
  const choice = branch === 'choice';
  const solution = taskNamed(task).solution ? 'the true solution' : 'the true answer';
  return [
    {
      id: 'read',
      moment: 'ask',
      kinds: ['reading'],
      title: 'Read',
      what: choice ? 'A model reads the candidate answers of a problem.' : `A model reads ${solution}, token by token.`,
      why: choice
        ? 'It chooses the candidate that is most probable to it. Problems on which an expert chooses wrong weigh more for the next expert.'
        : 'At each token it would have written the true one or another. Tokens that an expert gets wrong weigh more for the next expert.',
      says: 'reading',
    },
    {
      id: 'answer',
      moment: 'answer',
      kinds: ['answer'],
      title: 'Answer',
      what: 'Each next token comes from the mixture of the experts’ probabilities.',
      why: 'An expert’s part in the mixture grows with how much better it is than the untouched model. For comparison a single teacher and a uniform mixture answer the same problems.',
    },
    {
      id: 'label',
      moment: 'verdict',
      title: 'Label',
      what: 'What the weak teachers answer becomes the label of a hard problem.',
      why: 'Nobody has the true answer of a hard problem. The student learns from what weaker models make of it.',
    },
    {
      id: 'data',
      moment: 'data',
      title: 'Build data',
      what: `Experts get easy problems with ${solution}, students get hard ones with the label of their teacher.`,
      why: 'Each expert learns from a sample that is drawn by the weights; what was not drawn is masked.',
    },
    {
      id: 'finetune',
      moment: 'train',
      title: 'Finetune',
      what: `Every expert begins with the untouched model${studentModel === undefined ? ', and so does every student' : ', every student with its own'}.`,
      why: `${studentModel === undefined ? 'Students have larger adapters than experts' : 'Students are adapters of a larger model'}. They get the same kind of labels (${labels}), so only their teachers differ.`,
    },
    {
      id: 'evaluate',
      moment: 'evaluate',
      title: 'Evaluate',
      what: 'Teachers and students are tested on problems that they never learn from.',
      why: 'The gap recovered is where a student stands between the weak teacher (0) and the student with true labels (1).',
    },
  ];
}
