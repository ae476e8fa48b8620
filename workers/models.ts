/** The model worker: downloads models and keeps them in this browser. Started when a model other than the page's own is looked for. */
import { createModelService } from '../src/models/service';
import { Heart, serve } from '../src/supervision';

const heart = new Heart();
serve(
  createModelService(undefined, () => heart.worked()),
  heart,
  self,
);
