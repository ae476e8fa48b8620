/** A worker as its supervisor sees it, in a browser or in Node. */

export interface Body {
  post(message: unknown, transfer: MessagePort[]): void;
  /** Ends it at once, whatever it does. */
  end(): void;
  /**
   * Called when the platform says that something is wrong. `fatal` = the worker is gone; an exception that nobody caught is not:
   * a browser's worker goes on after it.
   */
  onTrouble: (detail: string, fatal: boolean) => void;
}

export function browserBody(worker: Worker): Body {
  const body: Body = {
    post: (message, transfer) => worker.postMessage(message, transfer),
    end: () => worker.terminate(),
    onTrouble: () => {},
  };
  worker.onerror = (event) => {
    // Shown by the page; otherwise the browser prints it as well.
    event.preventDefault?.();
    body.onTrouble(event.message ?? '', false);
  };
  worker.onmessageerror = () => body.onTrouble('a message could not be read', true);
  return body;
}

/** Of `node:worker_threads`, so that nothing of Node is imported here. */
interface Thread {
  postMessage(message: unknown, transfer: unknown[]): void;
  terminate(): Promise<number>;
  on(type: 'error' | 'exit' | 'messageerror', listener: (what: unknown) => void): unknown;
}

export function threadBody(thread: Thread): Body {
  const body: Body = {
    post: (message, transfer) => thread.postMessage(message, transfer),
    end: () => void thread.terminate(),
    onTrouble: () => {},
  };
  thread.on('error', (error) => body.onTrouble(error instanceof Error ? error.message : String(error), true));
  thread.on('messageerror', () => body.onTrouble('a message could not be read', true));
  thread.on('exit', (code) => body.onTrouble(`exit code ${String(code)}`, true));
  return body;
}
