/**
 * What of the work is on show: the part of the loop that is at work, and the text of one problem's debate (the first of each
 * batch) while it is sampled. Passing state beside the log; nothing of it is stored.
 */
import type { RunEvent, Team } from '../events';
import { STREAMS } from '../random';
import type { ExperimentConfig } from '../recipes/config';
import { asksForSummary, type Question } from '../recipes/types';
import type { Split } from '../tasks/types';
import type { Activity, LoopPhase, PartialDebate } from './types';

/** In slow motion, how long the pieces of a part stay, in beats. A data set is one of 2N, an evaluation is to be read. */
const BEATS = { vote: 2, dataset: 0.4, evaluation: 2 } as const;

export class Showing {
  readonly #agents: number;
  /** Evaluations that have been walked through once; further chunks of them go by without waiting. */
  readonly #walked = new Map<string, number>();
  iteration = 0;
  phase: LoopPhase | null = null;
  partial: PartialDebate | null = null;

  /** @param agents N */
  constructor(agents: number) {
    this.#agents = agents;
  }

  /** A part begins with these questions (null = none). Returns how many beats it deserves. */
  enter(phase: LoopPhase, first: Question | null): number {
    this.phase = phase;
    if (!first) return 1;
    if (!asksForSummary(first)) this.#turnTo(first);
    return this.#beatsOf(first);
  }

  /** A response on show has grown. Returns whether it is the first of a round or problem. */
  sampled(question: Question, text: string): boolean {
    if (asksForSummary(question)) return false;
    const begun = this.#turnTo(question);
    const { partial } = this;
    if (partial) {
      const texts = [...partial.texts];
      texts[question.name.agent] = text;
      this.partial = { ...partial, texts };
    }
    return begun;
  }

  /** An event of the log has just been computed. Returns how many beats it deserves. */
  passed(event: RunEvent): number {
    switch (event.type) {
      case 'iteration-started':
        this.iteration = event.iteration;
        return 0;
      case 'debate':
        this.phase = 'vote';
        if (event.problem !== this.partial?.problem || event.team !== this.partial.team) return 0;
        return BEATS.vote * this.#beatsFor(event.purpose, event.team, event.iteration, event.problem);
      case 'dataset':
        this.phase = 'data';
        return BEATS.dataset;
      case 'training-step':
        this.phase = 'finetune';
        return 0;
      case 'evaluation':
        this.phase = 'evaluate';
        return BEATS.evaluation;
      default:
        return 0;
    }
  }

  #turnTo({ name, adapter }: Question): boolean {
    const { problem, round } = name;
    const { purpose, team } = whatFor(name.stream, adapter);
    const { iteration, partial: before } = this;
    const sameDebate =
      before?.problem === problem &&
      before.purpose === purpose &&
      before.team === team &&
      before.iteration === iteration;
    if (sameDebate && before.round === round) return false;
    const earlier = sameDebate && round > before.round ? [...(before.earlier ?? []), before.texts] : [];
    const texts = Array.from({ length: this.#agents }, () => '');
    this.partial = { purpose, team, iteration, problem, round, texts, earlier };
    return true;
  }

  #beatsOf({ name, adapter }: Question): number {
    const { purpose, team } = whatFor(name.stream, adapter);
    return this.#beatsFor(purpose, team, this.iteration, name.problem);
  }

  #beatsFor(purpose: Split, team: Team, iteration: number, problem: number): number {
    if (purpose === 'train') return 1;
    const key = `${team} ${iteration}`;
    const first = this.#walked.get(key) ?? problem;
    this.#walked.set(key, first);
    return first === problem ? 1 : 0;
  }
}

const EVALUATING: readonly number[] = [STREAMS.evaluate, STREAMS.baselineEvaluate, STREAMS.summariseEvaluation];

function whatFor(stream: number, adapter: string | null): { purpose: Split; team: Team } {
  return {
    purpose: EVALUATING.includes(stream) ? 'evaluation' : 'train',
    team: adapter === null ? 'base' : adapter === 'single' ? 'single' : 'society',
  };
}

/** What is done while this is on show; problems done are counted on from `before` while it is the same debate phase. */
export function debateActivity(partial: PartialDebate, before: Activity | null, config: ExperimentConfig): Activity {
  const { purpose, team, iteration, round } = partial;
  const continues =
    before?.kind === 'debate' && before.team === team && before.purpose === purpose && before.iteration === iteration;
  return {
    kind: 'debate',
    purpose,
    team,
    iteration,
    round,
    problemsDone: continues ? before.problemsDone : 0,
    problems: purpose === 'train' ? config.trainProblems : config.evaluationProblems,
  };
}
