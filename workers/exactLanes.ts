/** Workers of the engine worker for the exact engine. */
import type { Workers } from '../src/engine/exact/engine';
import type { FromLane, StartedLane, ToLane } from '../src/engine/exact/laneMessages';
import { workerAddress } from '../src/supervision/trusted';
import laneAddress from './exactLane.ts?worker&url';

/** More are of little use: they share memory, and half of a phone's cores are slow. */
const MOST_WORKERS = 8;

function startLane(): StartedLane {
  const worker = new Worker(workerAddress(laneAddress), { type: 'module', name: 'exact' });
  return {
    post: (message: ToLane, transfer = []) => worker.postMessage(message, transfer),
    listen: (heard: (message: FromLane) => void) => {
      worker.onmessage = (event: MessageEvent<FromLane>) => heard(event.data);
    },
    onEnd(ended) {
      // A lane catches what its work throws, so this is a script that did not load, or memory that ran out.
      worker.onerror = (event) => {
        event.preventDefault?.();
        worker.terminate();
        ended(`a worker of the exact engine failed: ${event.message ?? 'its script did not load'}`);
      };
      worker.onmessageerror = () => ended('a message of a worker of the exact engine could not be read');
    },
    end: () => worker.terminate(),
  };
}

/** As many as the device has cores; null where a worker cannot have workers, or one core: then its own thread computes. */
export function browserWorkers(): Workers | null {
  const count = Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1);
  return count > 1 && typeof Worker === 'function' ? { count, start: startLane } : null;
}
