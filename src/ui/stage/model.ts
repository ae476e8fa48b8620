/**
 * What the stage draws, as a function of the log and of the passing state beside it. Only what the log (or the text being
 * sampled) says: an answer is shown as read from the text so far, a vote only once it is in the log.
 */
import type { DebateHeld, EvaluationDone, TrainingStep, Team } from '../../events';
import type { Activity, LabStatus, LoopPhase, PartialDebate } from '../../lab/types';
import type { ExperimentConfig } from '../../recipes/config';
import type { Split } from '../../tasks/types';
import { tallyOf, type TallyLine } from '../model/debates';
import { groupKey, type LogIndex } from '../model/logIndex';
import { adaptersOf, type StageAdapter } from './adapters';
import { destinationsOf, type Destinations } from './destinations';

/** A response as it stands. */
export interface Bubble {
  text: string;
  /** null = none can be read (yet). */
  answer: string | null;
  /** The text is complete. */
  done: boolean;
}

export interface StageAgent {
  /** 0..N−1 */
  slot: number;
  first: Bubble;
  /** Of the last round that has begun; null in round 1. */
  last: Bubble | null;
  /** What this agent reads before revising: the others' answers of the round before. Empty in round 1. */
  reads: { slot: number; answer: string | null }[];
  /** Of the first and last response; null while there is no vote, and in an evaluation. */
  destinations: Destinations;
}

export interface StageScore {
  iteration: number;
  team: Team;
  /** Of the vote after the last round. */
  right: number;
  n: number;
}

export interface StageModel {
  /** Null when nothing is at work. */
  phase: LoopPhase | null;
  /** The debate is part of an evaluation: its numbers count, nothing is learnt from it. */
  evaluating: boolean;
  team: Team;
  iteration: number;
  question: string | null;
  /** 1..M */
  round: number;
  rounds: number;
  agents: StageAgent[];
  tally: TallyLine[] | null;
  vote: { answer: string | null; count: number; tied: boolean; accepted: boolean } | null;
  adapters: StageAdapter[];
  scores: StageScore[];
  counters: { done: number; problems: number };
  /** 0 while there is no finetuning. */
  steps: { step: number; total: number };
}

/** What is on show: a debate of the log, or one that is being sampled. */
export type Scene = { held: DebateHeld } | { sampling: PartialDebate } | null;

export interface StageInput {
  config: ExperimentConfig;
  index: LogIndex;
  /** null: nothing is at work. */
  status: Pick<LabStatus, 'state' | 'activity' | 'phase'> | null;
  scene: Scene;
  /** Phase to draw instead of the status's, for a scene that stays longer than the work. */
  phase?: LoopPhase | null;
}

export function stageOf({ config, index, status, scene, phase }: StageInput): StageModel {
  const place = placeOf(scene, status?.activity ?? null);
  const shown = phase === undefined ? (status?.phase ?? null) : phase;
  const held = scene && 'held' in scene ? scene.held : null;
  const steps = lastSteps(index, place.iteration);
  const last = steps.at(-1);
  return {
    ...place,
    phase: shown,
    evaluating: place.purpose === 'evaluation',
    question: scene ? (index.problems.get(problemOf(scene))?.question ?? null) : null,
    rounds: config.rounds,
    agents: agentsOf(scene, index, config),
    tally: held ? tallyOf(index, held, held.responses.length - 1) : null,
    vote: held ? voteOf(held, config) : null,
    adapters: adaptersOf(index, config, place.iteration, steps, shown === 'finetune'),
    scores: scoresOf(index),
    counters: countersOf(index, place, config),
    steps: last
      ? { step: last.step + 1, total: Math.max(...steps.map((step) => step.totalSteps)) }
      : { step: 0, total: 0 },
  };
}

/**
 * The scene while nothing is debated: the newest society debate of the log that it learnt from (several agents agreed), or the
 * newest of any kind.
 */
export function restingScene(index: LogIndex): Scene {
  for (let i = index.rows.length - 1; i >= 0; i--) {
    const { debate } = index.rows[i]!;
    if (debate.purpose !== 'train' || debate.team !== 'society') continue;
    if ((debate.votes.at(-1)?.count ?? 0) > 1) return { held: debate };
  }
  const last = index.rows.at(-1);
  return last ? { held: last.debate } : null;
}

interface Place {
  purpose: Split;
  team: Team;
  iteration: number;
  round: number;
}

function placeOf(scene: Scene, activity: Activity | null): Place {
  if (activity?.kind === 'finetune')
    return { purpose: 'train', team: 'society', iteration: activity.iteration, round: 1 };
  if (!scene) return { purpose: 'evaluation', team: 'base', iteration: 0, round: 1 };
  if ('sampling' in scene) {
    const { purpose, team, iteration, round } = scene.sampling;
    return { purpose, team, iteration, round };
  }
  const { purpose, team, iteration, responses } = scene.held;
  return { purpose, team, iteration, round: responses.length };
}

function problemOf(scene: NonNullable<Scene>): number {
  return 'held' in scene ? scene.held.problem : scene.sampling.problem;
}

function agentsOf(scene: Scene, index: LogIndex, config: ExperimentConfig): StageAgent[] {
  const rounds = bubblesOf(scene, index);
  const held = scene && 'held' in scene ? scene.held : null;
  return Array.from({ length: config.agents }, (_, slot) => {
    const before = rounds.length > 1 ? rounds[rounds.length - 2]! : [];
    return {
      slot,
      first: rounds[0]?.[slot] ?? { text: '', answer: null, done: false },
      last: rounds.length > 1 ? (rounds.at(-1)![slot] ?? null) : null,
      reads: before.flatMap(({ answer }, other) => (other === slot ? [] : [{ slot: other, answer }])),
      destinations: held ? destinationsOf(index, held, slot, config.minimumVotes) : { first: null, last: null },
    };
  });
}

function bubblesOf(scene: Scene, index: LogIndex): Bubble[][] {
  if (!scene) return [];
  if ('held' in scene)
    return scene.held.responses.map((round) => round.map(({ text, answer }) => ({ text, answer, done: true })));
  const { texts, earlier = [] } = scene.sampling;
  const read = (text: string) => (text === '' ? null : (index.task?.extractAnswer(text) ?? null));
  return [
    ...earlier.map((round) => round.map((text) => ({ text, answer: read(text), done: true }))),
    texts.map((text) => ({ text, answer: read(text), done: false })),
  ];
}

function voteOf({ votes, team, purpose }: DebateHeld, { minimumVotes }: ExperimentConfig): StageModel['vote'] {
  const vote = votes.at(-1);
  if (!vote) return null;
  const learnt = purpose === 'train' && team !== 'base';
  return { ...vote, accepted: vote.answer !== null && (!learnt || vote.count >= minimumVotes) };
}

/** Training steps of the iteration; the newest events come last, so only its own part of the log is looked at. */
function lastSteps(index: LogIndex, iteration: number): TrainingStep[] {
  const steps: TrainingStep[] = [];
  for (let i = index.summary.length - 1; i >= 0; i--) {
    const event = index.summary[i]!;
    if (event.type === 'iteration-started' && event.iteration <= iteration) break;
    if (event.type === 'training-step' && event.iteration === iteration) steps.push(event);
  }
  return steps.reverse();
}

function scoresOf(index: LogIndex): StageScore[] {
  return index.summary
    .filter((event): event is EvaluationDone => event.type === 'evaluation')
    .map(({ iteration, team, debate: { right, n } }) => ({ iteration, team, right, n }));
}

function countersOf(index: LogIndex, place: Place, config: ExperimentConfig): StageModel['counters'] {
  const done = index.groups.get(groupKey(place.purpose, place.team, place.iteration))?.rows.length ?? 0;
  return { done, problems: place.purpose === 'train' ? config.trainProblems : config.evaluationProblems };
}
