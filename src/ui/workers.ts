/** The lab's two workers. The addresses stand here literally, so that the bundler finds them. */

export interface LabWorkers {
  engine: Worker;
  lab: Worker;
}

export function startWorkers(): LabWorkers {
  return {
    engine: new Worker(new URL('../../workers/engine.ts', import.meta.url), { type: 'module', name: 'engine' }),
    lab: new Worker(new URL('../../workers/lab.ts', import.meta.url), { type: 'module', name: 'lab' }),
  };
}

/** The worker that downloads and keeps models; started when models are first looked at. */
export function startModelWorker(): Worker {
  return new Worker(new URL('../../workers/models.ts', import.meta.url), { type: 'module', name: 'models' });
}

/** Folder of the page, from which models are served. */
export function pageFolder(): string {
  return new URL('.', document.baseURI).href;
}
