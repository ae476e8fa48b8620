/** The stored log of a run that is played again: every event is compared with the stored one, and those that do not count are passed over. */
import type { JobSuperseded, RunEvent } from '../../events';
import { canonicalJson } from '../../log/canonical';
import { jobOfEvent, supersededIn } from '../../log/superseded';
import { LogMismatchError } from '../errors';

export class Retrace {
  /** Of the event that comes next. */
  index = 0;
  readonly #stored: readonly RunEvent[];
  readonly #passing: (event: RunEvent, index: number) => void;
  /** Stored events that the recipe does not yield again. */
  readonly #over: ReadonlySet<number>;

  /**
   * @param repeats does the runtime repeat itself? Where it does, no job may have been superseded
   * @param passing hears each stored event that is passed over
   */
  constructor(stored: readonly RunEvent[], repeats: boolean, passing: (event: RunEvent, index: number) => void) {
    this.#stored = stored;
    this.#passing = passing;
    this.#over = repeats ? new Set() : takenBack(stored);
  }

  /** A job begins again: the rest of the stored log is what it had done. @throws LogMismatchError where it is something else */
  supersede({ job }: JobSuperseded): void {
    this.#pass();
    for (let event = this.#stored[this.index]; event; event = this.#stored[this.index]) {
      if (jobOfEvent(event) !== job)
        throw new LogMismatchError(this.index, 'type', `it was ${event.type}, and the job ${job} began again`);
      this.#passing(event, this.index++);
    }
  }

  /** The recipe yields an event. Returns whether it was stored. @throws LogMismatchError where another one was */
  meets(event: RunEvent): boolean {
    this.#pass();
    const old = this.#stored[this.index];
    if (old) compare(old, event, this.index);
    return old !== undefined;
  }

  /** The recipe has ended. @throws LogMismatchError where more was stored */
  end(): void {
    const { length } = this.#stored;
    if (this.index < length)
      throw new LogMismatchError(this.index, 'end', `the run now ends after ${this.index} of ${length} stored events`);
  }

  #pass(): void {
    while (this.#over.has(this.index)) this.#passing(this.#stored[this.index] as RunEvent, this.index++);
  }
}

/** Indices of the stored events that do not count, and of those that say so. */
function takenBack(stored: readonly RunEvent[]): Set<number> {
  const said = stored.flatMap(({ type }, index) => (type === 'job-superseded' ? [index] : []));
  return new Set([...supersededIn(stored), ...said]);
}

/** Throws `LogMismatchError`, naming the first field that differs, unless the two events are the same. */
function compare(stored: RunEvent, again: RunEvent, index: number): void {
  if (canonicalJson(stored) === canonicalJson(again)) return;
  if (stored.type !== again.type)
    throw new LogMismatchError(index, 'type', `it was ${stored.type} and is now ${again.type}`);
  const field = Object.keys({ ...stored, ...again }).find((key) => differs(stored, again, key)) ?? 'type';
  if (stored.type === 'run-started' && again.type === 'run-started') {
    if (field === 'engine')
      throw new LogMismatchError(
        index,
        field,
        `it was begun on "${stored.engine}" and this is "${again.engine}", which need not compute the same bit for bit; ` +
          'resume it where it was begun, or start a new run with its settings',
      );
    if (field === 'secondModel')
      throw new LogMismatchError(index, field, `the weights of the model ${again.secondModel?.name} have changed`);
    if (field === 'model')
      throw new LogMismatchError(index, field, `the weights of the model ${again.model.name} have changed`);
  }
  const where = 'iteration' in stored ? ` of iteration ${stored.iteration}` : '';
  throw new LogMismatchError(index, field, `the ${stored.type} event${where} came out differently this time`);
}

function differs(a: RunEvent, b: RunEvent, key: string): boolean {
  const value = (event: RunEvent) => canonicalJson((event as unknown as Record<string, unknown>)[key] ?? null);
  return value(a) !== value(b);
}
