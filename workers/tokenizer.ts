/** The tokenizer worker: tokenizers and chat templates come from outside, and one that never ends is ended with it. */
import { openChat, problemOf } from '../src/backends/tokenizer';
import { createTokenizerWork } from '../src/backends/tokenizerWork';
import { Heart, serve } from '../src/supervision';

const heart = new Heart();
serve(createTokenizerWork(openChat, problemOf, heart), heart, self);
