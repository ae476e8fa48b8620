/** The exports that are compared with the engine: by `npm run onnx:check` in ONNX Runtime, by a test with the hashes of that comparison. */
import { folderSource } from '../../src/engine/loader-node';
import { initAdapter } from '../../src/engine/peft';
import { collect, openModelStream } from '../../src/engine/stream';
import { PROJECTIONS, type AdapterWeights, type ModelConfig, type WeightDtype } from '../../src/engine/types';
import { drawUniform } from '../../src/random';
import { exportModel } from './export';

export const CHECKED_MODEL = 'static/models/arithmetic-0.4m';

export interface CheckedExport {
  name: string;
  /** What the engine computes with beside it. */
  dtype: WeightDtype;
  adapter: AdapterWeights | null;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The embedded model as it is, with an adapter that changes it, and in int4. */
export async function checkedExports(): Promise<CheckedExport[]> {
  const weights = await collect(await openModelStream(folderSource(CHECKED_MODEL)));
  const adapter = learntAdapter(weights.config);
  return [
    { name: 'plain', dtype: 'f32', adapter: null, bytes: exportModel(weights) },
    { name: 'adapter', dtype: 'f32', adapter, bytes: exportModel(weights, { adapter }) },
    { name: 'int4', dtype: 'int4', adapter: null, bytes: exportModel(weights, { int4: true }) },
  ];
}

/** As a new one, but with B other than 0, which would leave the model as it is. */
function learntAdapter(config: ModelConfig): AdapterWeights {
  const adapter = initAdapter(config, { rank: 8, alpha: 16, targets: [...PROJECTIONS] }, 1);
  for (const [name, { data }] of adapter.tensors) {
    if (!name.endsWith('lora_B.weight')) continue;
    data.forEach((_, i) => (data[i] = (drawUniform({ seed: 1, stream: 7 }, i) - 0.5) / 20));
  }
  return adapter;
}
