/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/run/neighbours';
import { openModel } from '../src/models/source';
import { IndexedRunStore } from '../src/store/indexed';
import { Heart, serve } from '../src/supervision';
import { openOpfsStore } from '../src/models/opfs';
import { loadTokenizer, voiceOpeners } from './seatParts';

const heart = new Heart();

serve(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel,
    loadTokenizer,
    openChunks: openOpfsStore,
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
    pulse: heart,
    voices: voiceOpeners,
  }),
  heart,
  self,
);
