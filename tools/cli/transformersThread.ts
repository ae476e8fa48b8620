/** The thread of the command line in which transformers.js runs (workers/transformers.ts in the page): the page's build, on WebAssembly. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parentPort } from 'node:worker_threads';
import type { TransformersLibrary } from '../../src/runtimes/transformers/library';
import { createOnnxWork } from '../../src/runtimes/transformers/work';
import { Heart, serve } from '../../src/supervision';
import { openSeatModel } from './modelStore';

const heart = new Heart();
const port = parentPort;

async function library(): Promise<TransformersLibrary> {
  // In Node the package would take its other build and another runtime, which need not compute the same bits. It asks for the name of
  // the platform, and this thread has nothing else that does.
  Object.defineProperty(process, 'release', { value: { name: 'thread' } });
  const own = new URL('../../node_modules/@huggingface/transformers/dist/transformers.web.js', import.meta.url);
  return (await import(own.href)) as TransformersLibrary;
}

const work = createOnnxWork({
  openModel: openSeatModel,
  library,
  readRuntime: async (address) => new Uint8Array(await readFile(fileURLToPath(address))),
  pulse: heart,
});
if (port) serve(work, heart, { on: (type, listener) => port.on(type, listener) });
