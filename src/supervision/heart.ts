/** The worker's side: answers the heartbeat with how much was done, and serves the calls. */
import { expose } from 'comlink';
import type { Beat } from './watch';

/** To a worker, once for every caller: where its calls come from, and where it is asked how it is. */
export interface Connect {
  connect: { calls: MessagePort; heart?: MessagePort };
}

/** What work is told to. */
export interface Pulse {
  /** Something got done. Cheap: call it for every part of long work. */
  worked(): void;
  /** The work that is under way waits for somebody else's decision (a pause); the function returned ends that. */
  rest(): () => void;
  /** Work of its own begins, beside the calls; the function returned ends it. */
  begin(): () => void;
}

/** Work that nobody watches. */
export const NO_PULSE: Pulse = { worked() {}, rest: () => () => {}, begin: () => () => {} };

export class Heart implements Pulse {
  #work = 0;
  #open = 0;

  get beat(): Beat {
    return { work: this.#work, open: Math.max(0, this.#open) };
  }

  worked(): void {
    this.#work++;
  }

  rest(): () => void {
    return this.#shift(-1);
  }

  begin(): () => void {
    return this.#shift(1);
  }

  /** Says over the port that it has started, before it is held by its first call, and answers whoever asks. */
  answer(port: MessagePort): void {
    port.postMessage(this.beat);
    port.onmessage = () => port.postMessage(this.beat);
  }

  /** An object whose calls are counted while they last. */
  counted<Api extends object>(api: Api): Api {
    return new Proxy(api, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]): Promise<unknown> => {
          const end = this.begin();
          try {
            return await (value.apply(target, args) as unknown);
          } finally {
            end();
          }
        };
      },
    });
  }

  #shift(by: 1 | -1): () => void {
    this.#open += by;
    this.worked();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#open -= by;
      this.worked();
    };
  }
}

/** What a worker has of its surroundings: `self` in a browser; in Node, `parentPort`. */
interface Scope {
  addEventListener?(type: 'message', listener: (event: MessageEvent) => void): void;
  on?(type: 'message', listener: (data: unknown) => void): void;
}

/** Serves the calls of everybody that the worker is connected to (`Connect`). */
export function serve(api: object, heart: Heart, scope: Scope): void {
  const counted = heart.counted(api);
  const hear = (data: unknown): void => {
    const { connect } = (data ?? {}) as Partial<Connect>;
    if (!connect) return;
    if (connect.heart) heart.answer(connect.heart);
    expose(counted, connect.calls);
  };
  if (scope.addEventListener) scope.addEventListener('message', (event) => hear(event.data));
  else scope.on?.('message', hear);
}
