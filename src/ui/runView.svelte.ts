/** One run as the page draws it: a view of its log that grows with it. */
import type { DebateHeld, RunEvent } from '../events';
import type { PartialDebate } from '../lab/types';
import type { RunRecord } from '../store/types';
import type { Problem } from '../tasks/types';

/** A debate on show: of the log, or still being sampled. */
export interface ShownDebate extends Pick<DebateHeld, 'purpose' | 'team' | 'iteration' | 'problem'> {
  rounds: { text: string; answer: string | null; done: boolean }[][];
  /** After each round; shorter than rounds while sampling. */
  votes: DebateHeld['votes'];
}

/** Milliseconds between two publications of a growing log to the views that draw all of it. */
const PUBLISH = 200;

/** How long a finished debate stays on show before the next one replaces it, in milliseconds. */
const HOLD = 1_500;

export class RunView {
  record = $state.raw() as RunRecord;
  /** Grows by one with each batch of events: what the plain fields below hold has changed. */
  version = $state(0);
  live = $state.raw<ShownDebate | null>(null);
  /** The newest text being sampled, as the lab told it; null before the first. */
  partial = $state.raw<PartialDebate | null>(null);
  /** The log so far, replaced by a longer copy a few times a second: what the views draw. */
  events = $state.raw<readonly RunEvent[]>([]);

  // Plain on purpose: proxies of thousands of debates cost more than they give, and `version` tells of changes.
  /* eslint-disable svelte/prefer-svelte-reactivity */
  readonly problems = new Map<number, Problem>();
  readonly debates: DebateHeld[] = [];
  /* eslint-enable svelte/prefer-svelte-reactivity */
  readonly #log: RunEvent[] = [];
  #publishing: ReturnType<typeof setTimeout> | null = null;
  #evaluations = 0;
  #holdUntil = 0;
  /** The debate being sampled, on show or not. */
  #sampled: ShownDebate | null = null;

  constructor(record: RunRecord, events: RunEvent[] = []) {
    this.record = record;
    if (events.length > 0) this.append(0, events);
  }

  /** Events in the log so far. */
  get length(): number {
    return this.#log.length;
  }

  /** Evaluations in the log so far. */
  get evaluations(): number {
    return this.#evaluations;
  }

  /** Takes events from index `from` on; those already here are skipped. Returns false when some before them are missing. */
  append(from: number, events: RunEvent[]): boolean {
    if (from > this.#log.length) return false;
    const fresh = events.slice(this.#log.length - from);
    for (const event of fresh) {
      this.#log.push(event);
      this.#add(event);
    }
    this.#publishing ??= setTimeout(() => this.publish(), this.events.length === 0 ? 0 : PUBLISH);
    this.version++;
    return true;
  }

  /** Shows all of the log to the views now. */
  publish(): void {
    if (this.#publishing !== null) clearTimeout(this.#publishing);
    this.#publishing = null;
    if (this.events.length < this.#log.length) this.events = this.#log.slice();
  }

  #add(event: RunEvent): void {
    if (event.type === 'debate') {
      this.debates.push(event);
      if (this.live?.problem === event.problem && this.live.team === event.team) {
        this.live = shownDebate(event);
        this.#holdUntil = performance.now() + HOLD;
      }
      return;
    }
    if (event.type === 'evaluation') this.#evaluations++;
    if (event.type === 'problems') for (const problem of event.problems) this.problems.set(problem.id, problem);
  }

  /** Text that is being sampled. It is kept also while a finished debate is held on show. */
  sampling(partial: PartialDebate): void {
    this.partial = partial;
    const { purpose, team, iteration, problem, round, texts } = partial;
    const last = this.#sampled;
    const same =
      last?.problem === problem && last.team === team && last.iteration === iteration && last.purpose === purpose;
    const earlier = same
      ? last.rounds.slice(0, round - 1).map((cells) => cells.map((cell) => ({ ...cell, done: true })))
      : [];
    const current = texts.map((text) => ({ text, answer: null, done: false }));
    this.#sampled = { purpose, team, iteration, problem, rounds: [...earlier, current], votes: [] };
    if (performance.now() >= this.#holdUntil) this.live = this.#sampled;
  }
}

export function shownDebate(event: DebateHeld): ShownDebate {
  const { purpose, team, iteration, problem, votes } = event;
  const rounds = event.responses.map((round) => round.map(({ text, answer }) => ({ text, answer, done: true })));
  return { purpose, team, iteration, problem, rounds, votes };
}
