/** A worker that computes for the exact engine; the engine worker has as many as the device has cores. */
import { serveLane } from '../src/engine/exact/lane';
import type { FromLane, ToLane } from '../src/engine/exact/laneMessages';

serveLane({
  post: (message: FromLane, transfer = []) => self.postMessage(message, { transfer }),
  listen: (heard: (message: ToLane) => void) =>
    self.addEventListener('message', (event: MessageEvent<ToLane>) => heard(event.data)),
});
