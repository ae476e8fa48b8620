/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { expose } from 'comlink';
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/neighbours';
import { openModel } from '../src/models/source';
import { IndexedRunStore } from '../src/store/indexed';

expose(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel,
    loadTokenizer: async (source) => (await import('../src/backends/tokenizer')).loadTokenizer(source),
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
  }),
);
