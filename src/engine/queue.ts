/** One operation at a time, in the order of the calls. */
export class OperationQueue {
  /** Settles when the operation before has ended. */
  private tail: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as the operation does; those after it run in any case. */
  run<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.tail.then(operation);
    this.tail = result.catch(() => undefined);
    return result;
  }
}
