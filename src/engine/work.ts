/** Tells whoever looks after this thread that a part of long work is done. One thread has one listener. */

let listener: (() => void) | null = null;

/** From now on the listener is called for every part. */
export function onWork(listen: (() => void) | null): void {
  listener = listen;
}

/** Somebody listens. */
export function isWatched(): boolean {
  return listener !== null;
}

/** A part of long work is done. */
export function worked(): void {
  listener?.();
}
