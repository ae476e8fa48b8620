/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { tokenizersIn } from '../src/backends/tokenizerRemote';
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/run/neighbours';
import { openModel } from '../src/models/source';
import { IndexedRunStore } from '../src/store/indexed';
import { browserBody, Heart, serve } from '../src/supervision';
import { workerAddress } from '../src/supervision/trusted';
import tokenizerAddress from './tokenizer.ts?worker&url';

/** A worker of this worker's own, so that it can end it. */
const startTokenizer = (): Worker => new Worker(workerAddress(tokenizerAddress), { type: 'module', name: 'tokenizer' });

const heart = new Heart();

serve(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel,
    loadTokenizer: tokenizersIn(() => browserBody(startTokenizer())),
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
    pulse: heart,
  }),
  heart,
  self,
);
