/** Questions to a society: each is a run of one click, and ends in a sentence that says what came out. */
import { EQUAL_CALLS } from '../../recipes/societyCast';
import type { RunConfig } from '../../recipes/config';
import { lastEvaluated } from '../readings/evaluations';
import type { LogIndex } from '../readings/logIndex';
import { formatP } from '../readings/paired';
import { intervalText } from '../readings/share';
import { wilsonInterval, type PairedComparison } from '../../society/statistics';
import { plays, society, type Experiment } from './experiments';
import { compared, labelsOf, votesMoved } from './facts';

export interface Question {
  id: string;
  title: string;
  /** What is done, in a sentence. */
  does: string;
  experiment: Experiment;
  /** What came out; null while it cannot be said. */
  answer(index: LogIndex): string | null;
}

const signed = (share: number) => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;

function difference({ difference: d, interval: [low, high], p }: PairedComparison): string {
  const chance = p < 0.05 ? 'chance alone seldom does that' : 'that may be chance';
  return `${signed(d)} points (95 % interval ${signed(low)} to ${signed(high)}, ${formatP(p)}; ${chance})`;
}

/** "37 of 48 labels were right (63.4 to 86.9 %)" */
function labelText(index: LogIndex): string | null {
  const labels = labelsOf(index, 'society');
  if (!labels || labels.accepted === 0) return labels ? 'No problem had a label.' : null;
  const { accepted, acceptedRight } = labels;
  return `${acceptedRight} of ${accepted} labels that agents learnt from were right (${intervalText(wilsonInterval(acceptedRight, accepted))}).`;
}

/** Society after finetuning against the untouched model's debate. @param how the seats of the untouched model differ, or do not */
function gain(index: LogIndex, how: string): string | null {
  const iteration = lastEvaluated(index);
  const found = iteration > 0 ? compared(index, ['societyDebate', iteration], ['debate', 0]) : null;
  return found && `The finetuned society’s debate against that of the untouched model${how}: ${difference(found)}.`;
}

/** What second answers did to the vote. */
function revised(index: LogIndex): string | null {
  const iteration = lastEvaluated(index);
  if (iteration === 0) return null;
  const { wrongRight, rightWrong } = votesMoved(index, 'society', iteration);
  return `In the last test second answers made ${wrongRight} wrong votes right and ${rightWrong} right votes wrong.`;
}

const told = (...parts: (string | null)[]): string | null =>
  parts.some((part) => part === null) ? null : parts.join(' ');

/** In the order in which they are offered. */
export const QUESTIONS: readonly Question[] = [
  {
    id: 'saboteur',
    title: 'What if one agent is wrong on purpose?',
    does: 'One of three agents says 0 to every problem, in debates and in tests, and learns nothing.',
    experiment: society({ 'saboteur.seats': 1 }),
    answer: (index) =>
      told('One of three agents said 0 to everything.', labelText(index), gain(index, ' with three honest seats')),
  },
  {
    id: 'reads-one',
    title: 'What if everybody reads only one other?',
    does: 'Before it revises, each agent reads the next one instead of all others.',
    experiment: society({ reads: 'one' }),
    answer: (index) =>
      told('Each agent read one other.', revised(index), gain(index, ', whose seats read one other too')),
  },
  {
    id: 'reads-none',
    title: 'What if nobody reads?',
    does: 'Agents answer a second time without having read anybody.',
    experiment: society({ reads: 'none' }),
    answer: (index) => told('Nobody read anybody.', revised(index), gain(index, ', whose seats read nobody either')),
  },
  {
    id: 'agents-or-rounds',
    title: 'Ten agents or ten rounds?',
    does: 'Two agents debate for ten rounds. Beside them, samples at the same cost vote without a debate. Nothing is learnt.',
    experiment: { recipe: 'debate', preset: 'arithmetic-tiny', set: { agents: 2, rounds: 10, evaluationProblems: 60 } },
    answer: (index) => {
      const found = compared(index, ['debate', 0], [EQUAL_CALLS.base, 0]);
      const calls = index.cast.methods.find(({ key }) => key === 'debate')?.calls;
      return (
        found &&
        `Two agents in ten rounds against ${calls} samples that vote, which costs the same: ${difference(found)}.`
      );
    },
  },
  {
    id: 'random-labels',
    title: 'What if labels are random?',
    does: 'The label is the answer of an agent who is drawn at random, and not that of the majority.',
    experiment: society({ labels: 'random' }),
    answer: (index) => told('Labels were drawn at random.', labelText(index), gain(index, '')),
  },
];

/** The question that a run answers; null for other runs. */
export function questionOf(config: RunConfig): Question | null {
  return QUESTIONS.find(({ experiment }) => plays(experiment, config)) ?? null;
}
