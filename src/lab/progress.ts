/** How far a run is and what it is doing, read from its log. */
import type { RunEvent } from '../events';
import type { ExperimentConfig } from '../recipes/config';
import type { Activity } from './types';

/** Finetuning on one example costs about as much time as sampling two responses (measured on the embedded model). */
const EXAMPLE_COST = 2;
/** Share of the society's responses that end up in a dataset, for the estimate before they are known. */
const KEPT_SHARE = 0.5;

/** A stretch of work: `cost` in responses sampled or their equivalent. */
interface Phase {
  iteration: number;
  kind: 'train-debate' | 'finetune' | 'evaluation-debate';
  cost: number;
}

/** Follows a log event by event. */
export class ProgressMeter {
  readonly #config: ExperimentConfig;
  readonly #phases: Phase[];
  readonly #total: number;
  #phase = 0;
  /** Share of the current phase that is done. */
  #share = 0;
  #responses = 0;
  #problems = 0;
  #steps = 1;
  #activity: Activity | null = null;
  #finished = false;

  constructor(config: ExperimentConfig) {
    this.#config = config;
    this.#phases = phases(config);
    this.#total = this.#phases.reduce((sum, phase) => sum + phase.cost, 0);
  }

  /** 0..1, never falling. */
  get progress(): number {
    if (this.#finished) return 1;
    const before = this.#phases.slice(0, this.#phase).reduce((sum, phase) => sum + phase.cost, 0);
    const current = this.#phases[this.#phase]?.cost ?? 0;
    return Math.min(0.999, (before + current * this.#share) / this.#total);
  }

  /** What the last event belongs to; rounds of a debate are filled in by whoever sees the answers being sampled. */
  get activity(): Activity | null {
    return this.#activity;
  }

  add(event: RunEvent): void {
    if (event.type === 'debate') {
      const kind = event.purpose === 'train' ? 'train-debate' : 'evaluation-debate';
      this.#enter(event.iteration, kind);
      this.#responses += event.responses.reduce((sum, round) => sum + round.length, 0);
      this.#share = Math.min(1, this.#responses / (this.#phases[this.#phase]?.cost ?? 1));
      const { trainProblems, evaluationProblems } = this.#config;
      const previous = this.#activity;
      const same =
        previous?.kind === 'debate' &&
        previous.team === event.team &&
        previous.purpose === event.purpose &&
        previous.iteration === event.iteration;
      this.#problems = same ? this.#problems + 1 : 1;
      this.#activity = {
        kind: 'debate',
        purpose: event.purpose,
        team: event.team,
        iteration: event.iteration,
        round: event.responses.length,
        problemsDone: this.#problems,
        problems: event.purpose === 'train' ? trainProblems : evaluationProblems,
      };
    } else if (event.type === 'training-step') {
      this.#enter(event.iteration, 'finetune');
      // Teams have tracks of different lengths; the longest decides.
      this.#steps = Math.max(this.#steps, event.totalSteps);
      this.#share = Math.max(this.#share, (event.step + 1) / this.#steps);
      const adapters = event.tracks.map((track) => track.adapter);
      this.#activity = {
        kind: 'finetune',
        iteration: event.iteration,
        step: event.step + 1,
        totalSteps: this.#steps,
        adapters,
      };
    } else if (event.type === 'run-finished') {
      this.#finished = true;
      this.#activity = null;
    }
  }

  #enter(iteration: number, kind: Phase['kind']): void {
    const index = this.#phases.findIndex((phase) => phase.iteration === iteration && phase.kind === kind);
    if (index <= this.#phase) return;
    this.#phase = index;
    this.#share = 0;
    this.#responses = 0;
    this.#steps = 1;
  }
}

function phases(config: ExperimentConfig): Phase[] {
  const { agents, rounds, iterations, trainProblems, evaluationProblems, finetune, singleAgentBaseline } = config;
  const single = singleAgentBaseline ? 1 : 0;
  const debate = agents * rounds;
  const examples = trainProblems * (debate + single * agents) * KEPT_SHARE;
  const result: Phase[] = [{ iteration: 0, kind: 'evaluation-debate', cost: evaluationProblems * debate }];
  for (let iteration = 1; iteration <= iterations; iteration++) {
    result.push(
      { iteration, kind: 'train-debate', cost: trainProblems * (debate + single * agents) },
      { iteration, kind: 'finetune', cost: examples * finetune.epochs * EXAMPLE_COST },
      { iteration, kind: 'evaluation-debate', cost: evaluationProblems * debate * (1 + single) },
    );
  }
  return result;
}

/** Seconds left at the speed since this session began to compute; null while there is too little to tell. */
export class RemainingTime {
  #startedAt: number | null = null;
  #startedFrom = 0;
  #idle = 0;
  #idleSince: number | null = null;

  /** Computing begins at this progress; later calls change nothing. Times in milliseconds. */
  startOnce(now: number, progress: number): void {
    if (this.#startedAt !== null) return;
    this.#startedAt = now;
    this.#startedFrom = progress;
  }

  /** Pauses do not count. */
  hold(now: number, held: boolean): void {
    if (held) this.#idleSince ??= now;
    else if (this.#idleSince !== null) {
      this.#idle += now - this.#idleSince;
      this.#idleSince = null;
    }
  }

  secondsLeft(now: number, progress: number): number | null {
    if (this.#startedAt === null) return null;
    const busy = (this.#idleSince ?? now) - this.#startedAt - this.#idle;
    const done = progress - this.#startedFrom;
    if (busy < 3_000 || done < 0.01) return null;
    return ((busy / 1_000) * (1 - progress)) / done;
  }
}
