/**
 * What the stage draws, as a function of the log and of the passing state beside it. Only what the log (or the text being
 * sampled) says: an answer is shown as read from the text so far, a verdict only once it is in the log.
 */
import type { Cast, EvaluationDone, TrainingStep } from '../../events';
import type { Activity, LabStatus, StageId } from '../../lab/types';
import type { RunConfig } from '../../recipes/config';
import type { Moment, Stage } from '../../recipes/types';
import type { Split } from '../../tasks/types';
import { headlineLearner, learnerLook, type LearnerLook } from '../looks';
import { tallyOf, type TallyLine } from '../readings/debates';
import { groupKey, isRight, type LogIndex } from '../readings/logIndex';
import { castOf, recipeOf, stagesOf } from '../readings/runCast';
import { adaptersOf, type StageAdapter } from './adapters';
import { fatesOf, type Destination } from './destinations';
import { layeredOf, seatsOf, speakersOf, type Scene, type StageAgent } from './seats';
import { marksOf, voteOf, type StageMark, type StageVote } from './verdicts';

export interface StageScore {
  iteration: number;
  /** Key of the learner. */
  learner: string;
  /** Of the method that the run's first comparison is about, or its counterpart. */
  right: number;
  n: number;
  /** '1' right, '0' wrong, one character a problem. */
  correct: string;
}

export interface StageModel {
  stages: Stage[];
  /** Null when nothing is at work. */
  phase: StageId | null;
  /** Of the phase. */
  moment: Moment | null;
  /** The episode is part of an evaluation: its numbers count, nothing is learnt from it. */
  evaluating: boolean;
  learner: LearnerLook;
  iteration: number;
  question: string | null;
  /** null = the log knows none. */
  gold: string | null;
  /** Is the vote the true answer? null where that cannot be said. */
  voteRight: boolean | null;
  /** Layer on show, 1.. */
  round: number;
  /** Seats answer more than once. */
  layered: boolean;
  /** They read each other in between. */
  reading: boolean;
  agents: StageAgent[];
  /** Who speaks in the first layer and in the one on show after it. */
  speakers: { first: string; last: string };
  tally: TallyLine[] | null;
  vote: StageVote | null;
  /** Scores of verdicts that are no votes; null while there are none. */
  marks: StageMark[] | null;
  adapters: StageAdapter[];
  /** How a problem is answered by the methods of `scores`. */
  measure: string;
  scores: StageScore[];
  counters: { done: number; problems: number };
  /** 0 while there is no finetuning. */
  steps: { step: number; total: number };
}

export interface StageInput {
  config: RunConfig;
  index: LogIndex;
  /** null: nothing is at work. */
  status: Pick<LabStatus, 'state' | 'activity' | 'phase'> | null;
  scene: Scene;
  /** Stage to draw instead of the status's, for a scene that stays longer than the work. */
  phase?: StageId | null;
}

export function stageOf({ config, index, status, scene, phase }: StageInput): StageModel {
  const cast = castOf(config, index);
  const stages = stagesOf(config);
  const place = placeOf(scene, status?.activity ?? null, cast);
  const shown = phase === undefined ? (status?.phase ?? null) : phase;
  const moment = stages.find(({ id }) => id === shown)?.moment ?? null;
  const held = scene && 'held' in scene ? scene.held : null;
  const steps = lastSteps(index, place.iteration);
  const last = steps.at(-1);
  const problem = scene ? (index.problems.get(problemOf(scene)) ?? null) : null;
  const finalVote = held?.votes.at(-1) ?? null;
  const fates = held ? fatesOf(index, config, held) : [];
  // A refinement reads the check of its own chain; a revision reads what other seats said.
  const revising = stages.some(({ kinds }) => kinds?.includes('revision'));
  const reading = revising && (recipeOf(config)?.cost(config).quotes.others ?? 0) > 0;
  const layered = layeredOf(scene, stages);
  return {
    stages,
    phase: shown,
    moment,
    evaluating: place.purpose === 'evaluation',
    learner: learnerLook(cast, place.learner),
    iteration: place.iteration,
    round: place.round,
    question: problem?.question ?? null,
    gold: problem?.gold ?? null,
    voteRight: finalVote && problem?.gold !== undefined ? isRight(index, problem, finalVote) : null,
    layered,
    reading: layered && reading,
    agents: seatsOf(scene, index, config, reading),
    speakers: speakersOf(scene, cast, stages, place.learner, place.round),
    tally: held?.votes.at(-1) ? tallyOf(index, held, held.responses.length - 1) : null,
    vote: held ? voteOf(held, fates) : null,
    marks: held ? marksOf(held) : null,
    adapters: adaptersOf(index, config, cast, place.iteration, steps, moment === 'train'),
    measure: headlineAnswer(cast),
    scores: scoresOf(index, cast),
    counters: countersOf(index, place, config),
    steps: last ? { step: last.step + 1, total: last.totalSteps } : { step: 0, total: 0 },
  };
}

/** Which responses on show go to an adapter, by the seats that gave them. */
export function arrivalsAt(
  { agents }: Pick<StageModel, 'agents'>,
  adapter: string,
): (Destination & { slot: number })[] {
  return agents.flatMap(({ slot, destinations: { first, last } }) =>
    [first, last].flatMap((to) => (to?.adapter === adapter ? [{ ...to, slot }] : [])),
  );
}

/**
 * The scene while nothing is asked: the newest training episode that the headline's learner learnt from (several agents agreed, where
 * there was a vote), or the newest of any kind.
 */
export function restingScene(index: LogIndex): Scene {
  const learner = headlineLearner(index.cast);
  for (let i = index.rows.length - 1; i >= 0; i--) {
    const { debate } = index.rows[i]!;
    if (debate.purpose !== 'train' || debate.learner !== learner || !index.started) continue;
    const vote = debate.votes.at(-1);
    if (vote && (vote.count ?? 0) <= 1) continue;
    const fates = fatesOf(index, index.started.config, debate);
    if (fates.length === 0 || fates.some(({ to }) => to === 'dataset')) return { held: debate };
  }
  // Samples beside a debate are no debate.
  const layers = Math.max(0, ...index.rows.slice(-MOST_LOOKED).map(({ debate }) => debate.responses.length));
  const last = index.rows.findLast(({ debate }) => debate.responses.length === layers) ?? index.rows.at(-1);
  return last ? { held: last.debate } : null;
}

/** Newest episodes among which one is chosen to be shown. */
const MOST_LOOKED = 1000;

interface Place {
  purpose: Split;
  learner: string;
  iteration: number;
  round: number;
}

function placeOf(scene: Scene, activity: Activity | null, cast: Cast): Place {
  if (activity?.kind === 'finetune')
    return { purpose: 'train', learner: headlineLearner(cast), iteration: activity.iteration, round: 1 };
  if (!scene) return { purpose: 'evaluation', learner: cast.learners[0]?.key ?? '', iteration: 0, round: 1 };
  const { purpose, learner, iteration } = 'held' in scene ? scene.held : scene.sampling;
  const round = 'held' in scene ? Math.max(1, scene.held.responses.length) : scene.sampling.round;
  return { purpose, learner, iteration, round };
}

function problemOf(scene: NonNullable<Scene>): number {
  return 'held' in scene ? scene.held.problem : scene.sampling.problem;
}

/** Training steps of the iteration that count; the newest events come last, so only its own part of the log is looked at. */
function lastSteps(index: LogIndex, iteration: number): TrainingStep[] {
  const steps: TrainingStep[] = [];
  const superseded = new Set<string>();
  for (let i = index.summary.length - 1; i >= 0; i--) {
    const event = index.summary[i]!;
    if (event.type === 'iteration-started' && event.iteration <= iteration) break;
    if (event.type === 'job-superseded') superseded.add(event.job);
    if (event.type === 'training-step' && event.iteration === iteration && !superseded.has(event.job))
      steps.push(event);
  }
  return steps.reverse();
}

function headlineAnswer({ methods, compare }: Cast): string {
  return methods.find(({ key }) => key === compare[0]?.[0])?.answer ?? '';
}

/** Every evaluation by the headline's way of answering, else by the last method of its learner. */
function scoresOf(index: LogIndex, cast: Cast): StageScore[] {
  const answer = headlineAnswer(cast);
  return index.summary
    .filter((event): event is EvaluationDone => event.type === 'evaluation')
    .flatMap(({ iteration, learner, scores }) => {
      const own = cast.methods.filter((method) => method.learner === learner);
      const method = own.find((one) => one.answer === answer) ?? own.at(-1);
      const score = scores.find((one) => one.method === method?.key);
      return score ? [{ iteration, learner, right: score.right, n: score.n, correct: score.correct }] : [];
    });
}

function countersOf(index: LogIndex, place: Place, config: RunConfig): StageModel['counters'] {
  const done = index.groups.get(groupKey(place.purpose, place.learner, place.iteration))?.byProblem.size ?? 0;
  return { done, problems: place.purpose === 'train' ? config.trainProblems : config.evaluationProblems };
}
