/** The model worker: downloads models and keeps them in this browser. Started when a model other than the page's own is looked for. */
import { expose } from 'comlink';
import { createModelService } from '../src/models/service';

expose(createModelService());
