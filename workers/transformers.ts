/** The worker of transformers.js: a model in ONNX that plays agents beside the engine. Started by a run that names one. */
import * as library from '@huggingface/transformers';
import { openModel } from '../src/models/source';
import { createOnnxWork } from '../src/runtimes/transformers/work';
import { Heart, serve } from '../src/supervision';

async function readRuntime(address: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) throw new Error(`${new URL(address).pathname} cannot be loaded`);
  return new Uint8Array(await response.arrayBuffer());
}

const heart = new Heart();
serve(createOnnxWork({ openModel, library: async () => library, readRuntime, pulse: heart }), heart, self);
