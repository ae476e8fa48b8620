/**
 * How views tell learners, methods and adapters apart, from a run's cast alone: colour by who learnt, mark and dash by how a problem is
 * answered.
 */
import type { Cast, Learner, Method } from '../events';
import { agentLook, type Shape } from './agents';

export interface Way {
  /** In a table of methods. */
  label: string;
  /** "The society's debate is right on …"; null where there is no such word. */
  noun: string | null;
  /** "A problem is answered …" */
  how: string;
  shape: Shape;
  dash: string;
  /** What the line looks like, in a word. */
  line: string;
}

/** Ways of answering that have a look of their own, in the order in which they are told. */
const WAYS: Readonly<Record<string, Way>> = {
  single: { label: 'one sample', noun: 'sample', how: 'by one sample', shape: 'circle', dash: '1 4', line: 'dotted' },
  majority: {
    label: 'majority',
    noun: 'majority',
    how: 'by the majority of all agents',
    shape: 'square',
    dash: '6 4',
    line: 'dashed',
  },
  'majority-equal': {
    label: 'majority at equal calls',
    noun: null,
    how: 'by the majority of samples at equal calls',
    shape: 'hexagon',
    dash: '8 3 2 3',
    line: 'dashed and dotted',
  },
  debate: { label: 'debate', noun: 'debate', how: 'after a debate', shape: 'triangle', dash: '', line: 'solid' },
};

/** Of ways that a recipe names itself, one after the other. */
const FURTHER = [
  { shape: 'diamond', dash: '12 4', line: 'long dashes' },
  { shape: 'cross', dash: '3 3', line: 'short dashes' },
] as const;

/**
 * How a problem is answered.
 * @param methods of the run: ways that have no look of their own are told apart by their order in it
 */
export function wayOf(answer: string, methods: readonly Pick<Method, 'answer'>[] = []): Way {
  const known = (name: string) => (Object.hasOwn(WAYS, name) ? WAYS[name] : undefined);
  const others = [...new Set(methods.map((method) => method.answer))].filter((name) => !known(name));
  const look = FURTHER[Math.max(0, others.indexOf(answer)) % FURTHER.length] ?? FURTHER[0];
  return known(answer) ?? { label: answer, noun: null, how: `by ${answer}`, ...look };
}

export interface LearnerLook extends Learner {
  /** CSS colour; defined in app.css for light and dark. */
  color: string;
  /** For people: "blue". */
  colorName: string;
  /** Where a line stands for a learner, whatever the method. */
  shape: Shape;
  dash: string;
}

export interface MethodLook extends Method {
  color: string;
  shape: Shape;
  dash: string;
}

/** Of learners that are neither the base nor the one that the first comparison is about. */
const OTHERS = [
  { color: 'var(--team-single)', colorName: 'orange', shape: 'square', dash: '6 4' },
  { color: 'var(--agent-2)', colorName: 'green', shape: 'diamond', dash: '8 3 2 3' },
  { color: 'var(--agent-3)', colorName: 'purple', shape: 'hexagon', dash: '12 4' },
  { color: 'var(--agent-4)', colorName: 'light blue', shape: 'cross', dash: '2 3' },
  { color: 'var(--agent-5)', colorName: 'ochre', shape: 'square', dash: '1 2' },
  { color: 'var(--team-other)', colorName: 'red', shape: 'circle', dash: '10 2 2 2' },
  { color: 'var(--team-last)', colorName: 'violet', shape: 'diamond', dash: '4 2' },
] as const;

/** Key of the learner that the first comparison is about. */
export function headlineLearner({ learners, methods, compare }: Cast): string {
  return methods.find(({ key }) => key === compare[0]?.[0])?.learner ?? learners.at(-1)?.key ?? '';
}

/** The base is grey, the learner that the first comparison is about blue, the others follow. */
export function learnerLooks(cast: Cast): LearnerLook[] {
  const headline = headlineLearner(cast);
  let others = 0;
  return cast.learners.map((learner, n) => ({
    ...learner,
    ...(n === 0
      ? ({ color: 'var(--team-base)', colorName: 'grey', shape: 'circle', dash: '1 4' } as const)
      : learner.key === headline
        ? ({ color: 'var(--team-society)', colorName: 'blue', shape: 'triangle', dash: '' } as const)
        : (OTHERS[others++ % OTHERS.length] as (typeof OTHERS)[number])),
  }));
}

/** @param key of a learner; one that the cast does not know is shown by its key */
export function learnerLook(cast: Cast, key: string): LearnerLook {
  const known = learnerLooks(cast).find((learner) => learner.key === key);
  const look = { color: 'var(--team-base)', colorName: 'grey', shape: 'circle', dash: '1 4' } as const;
  return known ?? { key, label: key, name: key, agents: [], ...look };
}

/** Those that learn: the one that the first comparison is about first. */
export function trainedLearners(cast: Cast): LearnerLook[] {
  const headline = headlineLearner(cast);
  return learnerLooks(cast)
    .slice(1)
    .sort((a, b) => Number(b.key === headline) - Number(a.key === headline));
}

/** A learner's name without its article, for lists: "society". */
export function learnerName(cast: Cast, key: string): string {
  return learnerLook(cast, key).name.replace(/^the /, '');
}

/** A label within a sentence: "society finetuning". */
export function inSentence(label: string): string {
  // Names such as MALT and STaR stay as they are.
  const isName = /^\S+[\p{Lu}\d]/u.test(label);
  return isName ? label : label.slice(0, 1).toLowerCase() + label.slice(1);
}

/** A method's label as a part of a sentence: "the debate without finetuning", or in quotation marks where its own comma would break the sentence. */
export function methodText(label: string): string {
  return label.includes(',') ? `“${label}”` : `the ${inSentence(label)}`;
}

export function methodLooks(cast: Cast): MethodLook[] {
  return cast.methods.map((method) => {
    const { shape, dash } = wayOf(method.answer, cast.methods);
    return { ...method, color: learnerLook(cast, method.learner).color, shape, dash };
  });
}

export interface AdapterLook {
  /** For people: "generator A". */
  label: string;
  color: string;
  /** SVG dash array; the first role at a seat is solid. */
  dash: string;
  /** null = nobody's own seat. */
  seat: number | null;
}

/** Dashes of a learner's adapters that have no seat. */
const SEATLESS = ['1 3', '6 3', '', '8 3 2 3', '12 4'] as const;

/** @param adapter name as in the log */
export function adapterLook(cast: Cast, adapter: string): AdapterLook {
  const agent = cast.agents.find((one) => one.adapter === adapter);
  if (!agent) return { label: adapter, color: 'var(--team-single)', dash: '1 3', seat: null };
  if (agent.seat === null) {
    const learner = cast.learners.find(({ agents }) => agents.includes(agent.id));
    const color = learner ? learnerLook(cast, learner.key).color : 'var(--team-single)';
    // Roles without seats share the colour of their learner.
    const place = learner?.agents.indexOf(agent.id) ?? 0;
    return { label: agent.label, color, dash: SEATLESS[place % SEATLESS.length] ?? '1 3', seat: null };
  }
  const roles = [...new Set(cast.agents.filter(({ seat }) => seat !== null).map(({ role }) => role))];
  const dash = ['', '5 3', '2 2', '8 3 2 3'][roles.indexOf(agent.role) % 4] ?? '';
  return { label: agent.label, color: agentLook(agent.seat).color, dash, seat: agent.seat };
}

/** Adapters that a run trains, in the order of the cast's learners. */
export function trainedAdapters({ learners, agents }: Pick<Cast, 'learners' | 'agents'>): string[] {
  const ids = learners.flatMap((learner) => learner.agents);
  return ids.flatMap((id) => agents.find((agent) => agent.id === id)?.adapter ?? []);
}
