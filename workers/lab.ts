/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/neighbours';
import { openModel } from '../src/models/source';
import { IndexedRunStore } from '../src/store/indexed';
import { Heart, serve } from '../src/supervision';

const heart = new Heart();

serve(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel,
    loadTokenizer: async (source) => (await import('../src/backends/tokenizer')).loadTokenizer(source),
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
    pulse: heart,
  }),
  heart,
  self,
);
