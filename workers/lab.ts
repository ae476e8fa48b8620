/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { expose } from 'comlink';
import { urlSource } from '../src/engine/loader';
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/neighbours';
import { IndexedRunStore } from '../src/store/indexed';

expose(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    loadTokenizer: async (folder) => (await import('../src/backends/tokenizer')).loadTokenizer(urlSource(folder)),
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
  }),
);
