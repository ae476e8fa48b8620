/** Starts the lab's workers. Their addresses stand here literally, so that the bundler finds them. */
import engineAddress from '../../workers/engine.ts?worker&url';
import gradingAddress from '../../workers/grading.ts?worker&url';
import labAddress from '../../workers/lab.ts?worker&url';
import modelsAddress from '../../workers/models.ts?worker&url';
import { workerAddress } from '../supervision/trusted';

export interface LabWorkers {
  engine: Worker;
  lab: Worker;
}

export function startWorkers(): LabWorkers {
  return { engine: startEngineWorker(), lab: startLabWorker() };
}

/** The worker that owns the device. */
export function startEngineWorker(): Worker {
  return start(engineAddress, 'engine');
}

/** The worker that runs the recipe. */
export function startLabWorker(): Worker {
  return start(labAddress, 'lab');
}

/** The worker that downloads and keeps models; started when models are first looked at. */
export function startModelWorker(): Worker {
  return start(modelsAddress, 'models');
}

/** The worker that compares answers for views; started when a view needs it. */
export function startGradingWorker(): Worker {
  return start(gradingAddress, 'grading');
}

/** Folder of the page, from which models are served. */
export function pageFolder(): string {
  return new URL('.', document.baseURI).href;
}

function start(address: string, name: string): Worker {
  return new Worker(workerAddress(address), { type: 'module', name });
}
