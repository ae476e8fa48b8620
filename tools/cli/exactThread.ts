/** A thread of the command line that computes for the exact engine (workers/exactLane.ts in the page). */
import { parentPort } from 'node:worker_threads';
import { serveLane } from '../../src/engine/exact/lane';
import type { FromLane, ToLane } from '../../src/engine/exact/laneMessages';

const port = parentPort;
if (port) {
  serveLane({
    post: (message: FromLane, transfer = []) => port.postMessage(message, transfer as readonly ArrayBuffer[]),
    listen: (heard: (message: ToLane) => void) => void port.on('message', heard),
  });
}
