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
  /** Of a batch that begins before the one on show has ended: its first problem's texts so far. */
  #ahead: PartialDebate | null = null;

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

  /** A call is over. Another batch may have begun in it, whose turn to be on show comes later. */
  answered(questions: readonly Question[], texts: readonly string[]): void {
    const [first] = questions;
    const next = questions.find(({ kind, layer }) => layer !== first?.layer && asksForAnswer(kind));
    if (!next) return;
    const { purpose, learner, iteration, problem } = next.at;
    const own = questions.flatMap(({ at, seat, layer }, index) =>
      at.problem === problem && layer === next.layer ? [[seat, texts[index] ?? ''] as const] : [],
    );
    const said = Array.from({ length: Math.max(...own.map(([seat]) => seat)) + 1 }, () => '');
    for (const [seat, text] of own) said[seat] = text;
    const round = next.layer + 1;
    const earlier = earlierOf(this.#ahead, next.at, round);
    this.#ahead = { purpose, learner, iteration, problem, round, texts: said, earlier };
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
    const round = layer + 1;
    const same = before !== null && isOf(before, at);
    if (same && before.round === round) return false;
    const earlier = earlierOf(same ? before : this.#ahead, at, round);
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

/** Is it the episode of these questions? */
function isOf(partial: PartialDebate, { purpose, learner, iteration, problem }: Question['at']): boolean {
  return partial.problem === problem && groupName(partial) === groupName({ purpose, learner, iteration });
}

/** Texts of the rounds before this one, as far as they are known. */
function earlierOf(known: PartialDebate | null, at: Question['at'], round: number): string[][] {
  return known !== null && isOf(known, at) && round > known.round ? [...(known.earlier ?? []), known.texts] : [];
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
