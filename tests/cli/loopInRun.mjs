// Loaded into every thread of a command by NODE_OPTIONS: the command's own thread computes for ever once it has stored events three times.
import { writeFileSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const file = process.env.LOOPS;
const desk = isMainThread ? null : workerData?.desk;
if (file && desk) {
  const post = desk.postMessage.bind(desk);
  let stored = 0;
  desk.postMessage = (message, ...rest) => {
    post(message, ...rest);
    if (message.path?.at(-1) !== 'append' || ++stored < 3) return;
    // A moment later: the message is on its way.
    setTimeout(() => {
      writeFileSync(file, '');
      for (;;);
    }, 50);
  };
}
