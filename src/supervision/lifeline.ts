/** Calls to a worker that may die: whoever waits for an answer is told when none will come. */
import { wrap, type Remote } from 'comlink';

export interface Lifeline<Api extends object> {
  /** As Comlink's; every call rejects with what `end` was given once the worker is gone. */
  readonly api: Remote<Api>;
  /** No answer will come any more: all calls that wait, and all later ones, reject with the error. */
  end(error: Error): void;
}

/** Comlink 4.4 drops calls in flight when a proxy is garbage-collected (its issue 692), so proxies live as long as their line. */
const keptAlive = new Set<unknown>();

export function lifeline<Api extends object>(port: MessagePort): Lifeline<Api> {
  const remote = wrap<Api>(port);
  keptAlive.add(remote);
  const waiting = new Set<(error: Error) => void>();
  let gone: Error | null = null;
  const call = (name: string, args: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(gone);
      waiting.add(reject);
      const method = (remote as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!;
      method(...args)
        .then(resolve, reject)
        .finally(() => waiting.delete(reject));
    });
  const api = new Proxy({} as Remote<Api>, {
    // A promise of it must not take it for a promise.
    get: (_target, name) =>
      typeof name !== 'string' || name === 'then' ? undefined : (...args: unknown[]) => call(name, args),
  });
  return {
    api,
    end(error) {
      if (gone) return;
      gone = error;
      waiting.forEach((reject) => reject(error));
      waiting.clear();
      keptAlive.delete(remote);
      port.close();
    },
  };
}
