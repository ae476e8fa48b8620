/** Starts the lab's workers. Their addresses stand here literally, so that the bundler finds them. */
import benchAddress from '../../workers/bench.ts?worker&url';
import engineAddress from '../../workers/engine.ts?worker&url';
import gradingAddress from '../../workers/grading.ts?worker&url';
import labAddress from '../../workers/lab.ts?worker&url';
import modelsAddress from '../../workers/models.ts?worker&url';
import { browserBody, type Body } from '../supervision';
import { workerAddress } from '../supervision/trusted';

/** The worker that owns the device. */
export function startEngineWorker(): Body {
  return start(engineAddress, 'engine');
}

/** The worker that measures this device; started when the Bench view is asked to. */
export function startBenchWorker(): Body {
  return start(benchAddress, 'bench');
}

/** The worker that runs the recipe. */
export function startLabWorker(): Body {
  return start(labAddress, 'lab');
}

/** The worker that downloads and keeps models; started when models are first looked at. */
export function startModelWorker(): Body {
  return start(modelsAddress, 'models');
}

/** The worker that compares answers for views; started when a view needs it. */
export function startGradingWorker(): Body {
  return start(gradingAddress, 'grading');
}

/** Folder of the page, from which models are served. */
export function pageFolder(): string {
  return new URL('.', document.baseURI).href;
}

function start(address: string, name: string): Body {
  return browserBody(new Worker(workerAddress(address), { type: 'module', name }));
}
