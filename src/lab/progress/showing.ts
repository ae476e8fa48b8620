/**
 * What of the work is on show: the stage that is at work, and the texts of one problem's episode (the first of each batch) while they
 * are sampled. Passing state beside the log; nothing of it is stored.
 */
import { groupName, type RunEvent } from '../../events';
import type { RunConfig } from '../../recipes/config';
import type { Moment, Stage } from '../../recipes/types';
import type { Question } from '../../runtimes/types';
import { asksForAnswer } from '../../society/prompts';
import type { Activity, PartialDebate, StageId } from '../types';

/** In slow motion, how long the pieces of a stage stay, in beats. A data set is one of several, an evaluation is to be read. */
const BEATS = { vote: 2, dataset: 0.4, evaluation: 2 } as const;

export class Showing {
  readonly #stages: readonly Stage[];
  /** Evaluations that have been walked through once; further chunks of them go by without waiting. */
  readonly #walked = new Map<string, number>();
  phase: StageId | null = null;
  partial: PartialDebate | null = null;

  /** @param stages of the run's recipe */
  constructor(stages: readonly Stage[]) {
    this.#stages = stages;
  }

  /** A stage begins with these questions. Returns how many beats it deserves. */
  enter(moment: Moment, questions: readonly Question[]): number {
    const [first] = questions;
    this.phase = this.#stageOf(moment, first?.kind) ?? this.phase;
    if (!first) return 1;
    const seats = questions.filter(({ at }) => at.problem === first.at.problem).map(({ seat }) => seat);
    if (asksForAnswer(first.kind)) this.#turnTo(first, Math.max(...seats) + 1);
    return this.#beatsFor(first.at);
  }

  /** A response on show has grown. Returns whether it is the first of a round or problem. */
  sampled(question: Question, text: string): boolean {
    if (!asksForAnswer(question.kind)) return false;
    const begun = this.#turnTo(question, this.partial?.texts.length ?? 0);
    const { partial } = this;
    if (partial) {
      const texts = [...partial.texts];
      texts[question.seat] = text;
      this.partial = { ...partial, texts: Array.from(texts, (one) => one ?? '') };
    }
    return begun;
  }

  /** An event of the log has just been computed. Returns how many beats it deserves. */
  passed(event: RunEvent): number {
    switch (event.type) {
      case 'episode':
        this.phase = this.#stageOf('verdict') ?? this.phase;
        if (event.problem !== this.partial?.problem || event.learner !== this.partial.learner) return 0;
        return BEATS.vote * this.#beatsFor(event);
      case 'dataset':
        this.phase = this.#stageOf('data') ?? this.phase;
        return BEATS.dataset;
      case 'training-step':
        this.phase = this.#stageOf('train') ?? this.phase;
        return 0;
      case 'evaluation':
        this.phase = this.#stageOf('evaluate') ?? this.phase;
        return BEATS.evaluation;
      default:
        return 0;
    }
  }

  #stageOf(moment: Moment, kind?: string): StageId | undefined {
    const fits = ({ moment: when, kinds }: Stage) =>
      when === moment && (kind === undefined || kinds === undefined || kinds.includes(kind));
    return this.#stages.find(fits)?.id;
  }

  #turnTo({ at, layer, agent }: Question, seats: number): boolean {
    const { partial: before } = this;
    const { purpose, learner, iteration, problem } = at;
    const same = before?.problem === problem && groupName(before) === groupName({ purpose, learner, iteration });
    const round = layer + 1;
    if (same && before.round === round) return false;
    const earlier = same && round > before.round ? [...(before.earlier ?? []), before.texts] : [];
    const texts = Array.from({ length: seats }, () => '');
    this.partial = { purpose, learner, iteration, problem, round, agent, texts, earlier };
    return true;
  }

  /** One problem of an evaluation is walked through; the others go by. */
  #beatsFor({ purpose, learner, iteration, problem }: Question['at']): number {
    if (purpose === 'train') return 1;
    const key = `${learner} ${iteration}`;
    const first = this.#walked.get(key) ?? problem;
    this.#walked.set(key, first);
    return first === problem ? 1 : 0;
  }
}

/** What is done while this is on show; problems done are counted on from `before` while it is the same phase. */
export function debateActivity(partial: PartialDebate, before: Activity | null, config: RunConfig): Activity {
  const { purpose, learner, iteration, round } = partial;
  const continues = before?.kind === 'debate' && groupName(before) === groupName({ purpose, learner, iteration });
  return {
    kind: 'debate',
    purpose,
    learner,
    iteration,
    round,
    problemsDone: continues ? before.problemsDone : 0,
    problems: purpose === 'train' ? config.trainProblems : config.evaluationProblems,
  };
}
