/** What a command has of the main thread: where its log is kept, and when it is to stop. */
import { parentPort } from 'node:worker_threads';
import type { Remote } from 'comlink';
import type { RunStore } from '../../src/store/types';
import type { DeskApi } from './desk';

let desk: Remote<DeskApi> | null = null;
let listener: (() => void) | null = null;

export function setDesk(remote: Remote<DeskApi>): void {
  desk = remote;
}

export function theDesk(): Remote<DeskApi> {
  if (desk === null) throw new TypeError('a command runs in a thread of its own');
  return desk;
}

/** The log's store, which is the main thread's. */
export function deskStore(): RunStore {
  return theDesk().store as unknown as RunStore;
}

/** Ctrl-C calls the listener; the command then has a moment to end in its own way. Without a listener it is ended at once. */
export function onInterrupt(listen: () => void): void {
  listener = listen;
  parentPort?.postMessage({ stoppable: true });
}

/** Ctrl-C was pressed. */
export function stopped(): void {
  listener?.();
}
