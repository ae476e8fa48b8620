/** Settings of a society that ask questions of it: who reads whom, a saboteur, labels that follow nobody's reasons, no critics. */
import { RUN_LIMITS } from '../engine/limits';
import { ConfigurationError } from './errors';
import { choice, flag, integer, text } from './readers';
import { READINGS } from './readings';
import { steps, type SettingTable } from './settings';

/** What the others' answers are to a seat. */
export const READS = ['all', 'one', 'none'] as const;

/** What a setting that only later rounds read says where there is one round. */
export const ONE_ROUND = 'changes nothing with rounds=1, where nobody reads anybody; use at least 2, or leave it out';

/** @throws ConfigurationError for an answer that nobody reads, or that nobody says */
export function checkReading({
  rounds,
  reads,
  saboteur,
}: {
  rounds: number;
  reads?: (typeof READS)[number] | undefined;
  saboteur?: { seats?: number; says?: string } | undefined;
}): void {
  if (rounds === 1 && reads !== undefined) throw new ConfigurationError('reads', ONE_ROUND);
  if (saboteur?.says !== undefined && (saboteur.seats ?? 0) === 0)
    throw new ConfigurationError('saboteur.says', 'is said by nobody; use saboteur.seats=1, or leave it out');
}

export const QUESTIONS = {
  reading: {
    reader: choice(...READINGS),
    label: 'Reading of the paper',
    line: 'With our corrections, as the paper’s algorithm is written, or as the authors’ released code behaves.',
    steps: [
      { value: 'fixed', label: 'as fixed' },
      { value: 'written', label: 'as written' },
      { value: 'released', label: 'as released' },
    ],
    section: 'expert',
    absent: 'fixed',
  },
  critics: {
    reader: flag(),
    label: 'Critics',
    line: 'Revisions have adapters of their own. Without critics generators revise too, and learn from first answers only.',
    section: 'expert',
    paper: true,
    absent: true,
  },
  reads: {
    reader: choice(...READS),
    label: 'Who reads whom',
    line: 'Before it revises, an agent reads all others, the next one only, or nobody.',
    steps: [
      { value: 'all', label: 'all others' },
      { value: 'one', label: 'the next one' },
      { value: 'none', label: 'nobody' },
    ],
    section: 'expert',
    paper: 'all',
    absent: 'all',
  },
  'saboteur.seats': {
    reader: integer(0, RUN_LIMITS.agents.max - 1),
    label: 'Saboteurs',
    line: 'This many of the society’s last seats state one answer to every problem and learn nothing.',
    steps: steps(0, 1, 2),
    section: 'expert',
    paper: 0,
    absent: 0,
  },
  'saboteur.says': {
    reader: text(),
    label: 'A saboteur’s answer',
    line: 'What saboteurs state.',
    section: 'expert',
    absent: '0',
  },
  labels: {
    reader: choice('vote', 'random'),
    label: 'Labels',
    line: 'The answer of the majority is the label, or that of an agent who is drawn at random.',
    steps: [
      { value: 'vote', label: 'the majority’s answer' },
      { value: 'random', label: 'a random agent’s answer' },
    ],
    section: 'expert',
    paper: 'vote',
    absent: 'vote',
  },
  'measure.agents': {
    reader: flag(),
    label: 'Measure how agents differ',
    line: 'After each test of the society every generator says how probable the others’ answers are. Nothing is learnt from it.',
    section: 'expert',
    absent: false,
  },
  'measure.embeddings': {
    reader: flag(),
    label: 'Measure embedding dissimilarity',
    line: 'After each test of the society the untouched model embeds all first answers, and their mean cosine distance is noted. Nothing is learnt from it.',
    section: 'expert',
    absent: false,
  },
} as const satisfies SettingTable;
