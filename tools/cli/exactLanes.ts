/** Threads of Node for the exact engine. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Workers } from '../../src/engine/exact/engine';
import type { FromLane, StartedLane, ToLane } from '../../src/engine/exact/laneMessages';

/** A thread that computes. */
export function startLane(): StartedLane {
  const worker = new Worker(new URL('./exactLane.mjs', import.meta.url));
  return {
    post: (message: ToLane, transfer = []) => worker.postMessage(message, transfer as readonly ArrayBuffer[]),
    listen: (heard: (message: FromLane) => void) => void worker.on('message', heard),
    onEnd(ended) {
      worker.on('error', (error: Error) => ended(`a thread of the exact engine failed: ${error.message}`));
      worker.on('exit', (code) => ended(`a thread of the exact engine ended with ${code}`));
    },
    end: () => void worker.terminate(),
  };
}

/** @param count default: as many as the machine has cores; 1 computes in the thread of the command */
export function nodeWorkers(count = availableParallelism()): Workers | null {
  return count > 1 ? { count, start: startLane } : null;
}
