/** The thread of the command line in which tokenizers run (workers/tokenizer.ts in the page). */
import { parentPort } from 'node:worker_threads';
import { openChat, problemOf } from '../../src/backends/tokenizer';
import { createTokenizerWork } from '../../src/backends/tokenizerWork';
import { Heart, serve } from '../../src/supervision';

const heart = new Heart();
const port = parentPort;
if (port)
  serve(createTokenizerWork(openChat, problemOf, heart), heart, { on: (type, listener) => port.on(type, listener) });
