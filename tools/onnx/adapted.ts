/** An adapter merged into the weights it belongs to. */
import { projectionName } from '../../src/engine/config';
import { adapterScaling, adapterTensorName } from '../../src/engine/peft';
import type { AdapterWeights, HostTensor, ModelWeights } from '../../src/engine/types';

/** W + s·B·A of every target, in f32; the other tensors are shared with the given model. */
export function mergeAdapter({ config, tensors }: ModelWeights, adapter: AdapterWeights): ModelWeights {
  const merged = new Map(tensors);
  const scaling = adapterScaling(adapter.config);
  for (let layer = 0; layer < config.numLayers; layer++) {
    for (const projection of adapter.config.targets) {
      const name = projectionName(layer, projection);
      const { shape, data } = tensors.get(name) as HostTensor;
      const [a, b] = (['A', 'B'] as const).map((part) =>
        adapter.tensors.get(adapterTensorName(layer, projection, part)),
      );
      merged.set(name, {
        shape,
        data: addProduct(data, (b as HostTensor).data, (a as HostTensor).data, adapter.config.rank, scaling),
      });
    }
  }
  return { config, tensors: merged };
}

/** W[outputs, inputs] + s · B[outputs, R] · A[R, inputs] */
function addProduct(w: Float32Array, b: Float32Array, a: Float32Array, rank: number, scaling: number): Float32Array {
  const inputs = a.length / rank;
  return w.map((value, i) => {
    const [row, column] = [Math.floor(i / inputs), i % inputs];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (b[row * rank + r] as number) * (a[r * inputs + column] as number);
    return value + scaling * sum;
  });
}
