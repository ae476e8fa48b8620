/**
 * Parts of the work that are at work together: what they ask goes to the runtime as one call. A call ends with its slowest response, and
 * rows of the device that are done stand idle until then; with another part's questions behind, who leaves is followed by the next.
 */
import type { Answer, Asking, Question } from '../runtimes/types';

/** Questions of a part that wait for their answers. */
interface Pending {
  questions: Question[];
  answer(answers: Answer[]): void;
}

/** A part at work: it asks, or it has ended. */
class Play<T> implements Asking {
  pending: Pending | null = null;
  ended = false;
  readonly result: Promise<T>;
  /** Resolves when it waits for answers or has ended. */
  rests!: Promise<void>;
  #rest: () => void = () => {};

  constructor(begin: (asking: Asking) => Promise<T>) {
    this.#goesOn();
    this.result = begin(this);
    const end = (): void => {
      this.ended = true;
      this.#rest();
    };
    // Who takes the result hears of a failure.
    this.result.then(end, end);
  }

  ask(questions: Question[]): Promise<Answer[]> {
    return new Promise((answer) => {
      this.pending = { questions, answer };
      this.#rest();
    });
  }

  /** What it waits for, which is now on its way. */
  take(): Pending[] {
    const { pending } = this;
    if (pending === null) return [];
    this.pending = null;
    this.#goesOn();
    return [pending];
  }

  #goesOn(): void {
    this.rests = new Promise((resolve) => (this.#rest = resolve));
  }
}

export interface Company {
  /** Parts at work at once, at least 1; asked before one begins. */
  most(): number;
  /** Parts that may begin with a call. With 1 they are at different places of their work: the end of one beside the beginning of the next. */
  newcomers: number;
  /** The same of the very first call, so that first results come early. */
  first: number;
}

/**
 * Plays parts and yields their results in the order of the parts. A call has the questions of the part that began first in front. Nothing is asked
 * while a result is looked at.
 * @param play asks through what it is given, one call at a time, and waits for nothing else
 * @throws what the runtime or a part throws
 */
export async function* together<P, T>(
  runtime: Asking,
  parts: Iterable<P>,
  { most, newcomers, first }: Company,
  play: (part: P, asking: Asking) => Promise<T>,
): AsyncGenerator<T, void, void> {
  const waiting = parts[Symbol.iterator]();
  const playing: Play<T>[] = [];
  for (let may = first; ; may = newcomers) {
    while (playing[0]?.ended) yield await (playing.shift() as Play<T>).result;
    for (let begun = 0; begun < may && playing.length < most(); begun++) {
      const next = waiting.next();
      if (next.done) break;
      playing.push(new Play((asking) => play(next.value, asking)));
    }
    if (playing.length === 0) return;
    await Promise.all(playing.map(({ rests }) => rests));
    const asked = playing.flatMap((part) => part.take());
    const answers = asked.length > 0 ? await runtime.ask(asked.flatMap(({ questions }) => questions)) : [];
    let from = 0;
    for (const { questions, answer } of asked) answer(answers.slice(from, (from += questions.length)));
    await Promise.all(playing.map(({ rests }) => rests));
  }
}
