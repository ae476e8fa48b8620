/** How far a run is and what it is doing, read from its log. */
import { groupName, type RunEvent } from '../../events';
import type { RunConfig } from '../../recipes/config';
import type { Work } from '../../recipes/types';
import { needOf } from '../../recipes/work';
import { layersOf } from '../../society/episode';
import type { Activity } from '../types';
import { READING_COST } from './estimate';

/** Training on one example costs about as much time as sampling two responses (measured on the embedded model). */
const EXAMPLE_COST = 2;

/** Follows a log event by event. */
export class ProgressMeter {
  readonly #config: RunConfig;
  readonly #work: Work[];
  /** Of each part of the work, in responses sampled or their equivalent. */
  readonly #costs: number[];
  readonly #total: number;
  #part = 0;
  /** Share of the current part that is done. */
  #share = 0;
  #responses = 0;
  #problems = 0;
  /** Training job that was seen last. */
  #job = '';
  #activity: Activity | null = null;
  #finished = false;

  constructor(config: RunConfig) {
    this.#config = config;
    this.#work = needOf(config).work;
    this.#costs = this.#work.map((work) => {
      if (work.kind === 'episodes') return work.calls;
      const times = work.kind === 'train' ? config.finetune.epochs : READING_COST;
      return (work.solve + work.revise) * times * EXAMPLE_COST;
    });
    this.#total = this.#costs.reduce((sum, cost) => sum + cost, 0);
  }

  /** 0..1, never falling. */
  get progress(): number {
    if (this.#finished) return 1;
    const before = this.#costs.slice(0, this.#part).reduce((sum, cost) => sum + cost, 0);
    return Math.min(0.999, (before + (this.#costs[this.#part] ?? 0) * this.#share) / this.#total);
  }

  /** What the last event belongs to; rounds of an episode are filled in by whoever sees the answers being sampled. */
  get activity(): Activity | null {
    return this.#activity;
  }

  add(event: RunEvent): void {
    if (event.type === 'episode') {
      const { purpose, learner, iteration, turns } = event;
      this.#enter((work) => work.kind === 'episodes' && work.iteration === iteration && work.purpose === purpose);
      this.#responses += turns.length;
      this.#share = Math.min(1, this.#responses / (this.#costs[this.#part] || 1));
      const { trainProblems, evaluationProblems } = this.#config;
      const problems = purpose === 'train' ? trainProblems : evaluationProblems;
      const previous = this.#activity;
      const same = previous?.kind === 'debate' && groupName(previous) === groupName({ purpose, learner, iteration });
      // Some recipes go through the problems several times: debates, then samples.
      this.#problems = same ? (this.#problems % problems) + 1 : 1;
      this.#activity = {
        kind: 'debate',
        purpose,
        learner,
        iteration,
        round: Math.max(1, layersOf(event)),
        problemsDone: this.#problems,
        problems,
      };
    } else if (event.type === 'training-step') {
      const { iteration, job, step, totalSteps, tracks } = event;
      const again = job !== this.#job;
      this.#job = job;
      this.#enter((work) => work.kind === 'train' && work.iteration === iteration, again);
      this.#share = Math.max(this.#share, (step + 1) / totalSteps);
      const adapters = tracks.map(({ adapter }) => adapter);
      this.#activity = { kind: 'finetune', iteration, step: step + 1, totalSteps, adapters };
    } else if (event.type === 'adapter' && 'merge' in event.from && event.from.rule.startsWith('regmean')) {
      // It was read before it was merged.
      const { iteration } = event;
      this.#enter((work) => work.kind === 'read' && work.iteration === iteration);
      if (this.#work[this.#part]?.kind === 'read') this.#share = 1;
    } else if (event.type === 'run-finished') {
      this.#finished = true;
      this.#activity = null;
    }
  }

  /** @param next another job of the same iteration begins: its part is the next one of its kind */
  #enter(fits: (work: Work) => boolean, next = false): void {
    const from = next ? this.#part + 1 : this.#part;
    const index = this.#work.findIndex((work, at) => at >= from && fits(work));
    if (index <= this.#part) return;
    this.#part = index;
    this.#share = 0;
    this.#responses = 0;
  }
}

/** Shares of the work whose speeds are compared, and how many of them make a range. */
const WINDOW = 0.02;
const FEWEST_WINDOWS = 3;
const MOST_WINDOWS = 12;

/** Seconds left at the speed since this session began to compute; null while there is too little to tell. */
export class RemainingTime {
  /** Seconds that a whole run would take at the speed of each of the last windows. */
  #windows: number[] = [];
  #windowBusy = 0;
  #windowFrom = 0;

  #startedAt: number | null = null;
  #startedFrom = 0;
  #idle = 0;
  #idleSince: number | null = null;

  /** Computing begins at this progress; later calls change nothing. Times in milliseconds. */
  startOnce(now: number, progress: number): void {
    if (this.#startedAt !== null) return;
    this.#startedAt = now;
    this.#startedFrom = this.#windowFrom = progress;
  }

  /** Pauses do not count. */
  hold(now: number, held: boolean): void {
    if (held) this.#idleSince ??= now;
    else if (this.#idleSince !== null) {
      this.#idle += now - this.#idleSince;
      this.#idleSince = null;
    }
  }

  /** Milliseconds of work since the start. */
  #busy(now: number): number {
    return this.#startedAt === null ? 0 : (this.#idleSince ?? now) - this.#startedAt - this.#idle;
  }

  /**
   * Seconds left at the fastest and at the slowest of the last parts of the work: parts of a run differ, and so does a busy computer. null
   * while fewer than three are done.
   */
  range(now: number, progress: number): [number, number] | null {
    const done = progress - this.#windowFrom;
    if (this.#startedAt !== null && done >= WINDOW) {
      const busy = this.#busy(now);
      this.#windows = [...this.#windows, (busy - this.#windowBusy) / 1_000 / done].slice(-MOST_WINDOWS);
      this.#windowBusy = busy;
      this.#windowFrom = progress;
    }
    if (this.#windows.length < FEWEST_WINDOWS) return null;
    const left = 1 - progress;
    return [left * Math.min(...this.#windows), left * Math.max(...this.#windows)];
  }

  secondsLeft(now: number, progress: number): number | null {
    if (this.#startedAt === null) return null;
    const busy = this.#busy(now);
    const done = progress - this.#startedFrom;
    if (busy < 3_000 || done < 0.01) return null;
    return ((busy / 1_000) * (1 - progress)) / done;
  }
}
