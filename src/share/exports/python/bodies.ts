/** The parts of the scripts that are the same for every run, as they lie beside this file. */
import finetune from './finetune.py?raw';
import serve from './serve.py?raw';
import type { ScriptBodies } from './script';

export const BODIES: ScriptBodies = { finetune, serve };
