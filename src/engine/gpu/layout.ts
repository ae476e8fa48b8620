/**
 * Where an adapter's numbers live on the device. All adapters share one f32 buffer, the pool: slot s occupies
 * elements [s·P, (s+1)·P), inside it every (layer, projection) has A [R, in] then B [out, R], R = the engine's largest
 * rank rounded up to a multiple of 4; the head [D] comes last. Smaller ranks, missing heads and missing targets are zero-padded; the padding's gradients are
 * zero, so it stays zero. Gradients and AdamW's moments use the same layout in pools of their own.
 */

import { allocatedRank, slotElements } from '../buffers';
import { projectionShape } from '../config';
import { AdapterError } from '../errors';
import { adapterTensorName, HEAD_TENSOR } from '../peft';
import { PROJECTIONS, type AdapterConfig, type HostTensor, type ModelConfig, type Projection } from '../types';

/** Slot number of a row without an adapter. */
export const NO_SLOT = 0xffffffff;

export class AdapterLayout {
  /** R: allocated rank, a multiple of 4 so that rows of B load as vec4. */
  readonly rank: number;
  /** P: elements of one slot, a multiple of 64 (one storage binding alignment). */
  readonly slotElements: number;
  /** First element of the head [D] inside its slot, a multiple of 4. */
  readonly headOffset: number;
  private readonly offsets = new Map<string, number>();

  constructor(
    readonly config: ModelConfig,
    maxRank: number,
  ) {
    this.rank = allocatedRank(maxRank);
    let next = 0;
    for (let layer = 0; layer < config.numLayers; layer++) {
      for (const projection of PROJECTIONS) {
        const [outputs, inputs] = projectionShape(config, projection);
        this.offsets.set(`${layer} ${projection} A`, next);
        next += this.rank * inputs;
        this.offsets.set(`${layer} ${projection} B`, next);
        next += outputs * this.rank;
      }
    }
    this.headOffset = next;
    this.slotElements = slotElements(config, this.rank);
  }

  /** First element of a tensor inside its slot, a multiple of 4. */
  offset(layer: number, projection: Projection, matrix: 'A' | 'B'): number {
    const offset = this.offsets.get(`${layer} ${projection} ${matrix}`);
    if (offset === undefined) throw new AdapterError(`layer ${layer} has no projection ${projection}`);
    return offset;
  }

  /**
   * One slot's elements [P] from tensors under PEFT's names.
   * @throws AdapterError when a tensor is missing or has another shape than the model and rank ask for.
   */
  pack(adapter: AdapterConfig, tensors: ReadonlyMap<string, HostTensor>): Float32Array {
    if (adapter.rank > this.rank) {
      throw new AdapterError(`rank ${adapter.rank} is larger than the engine's largest rank ${this.rank}`);
    }
    const slot = new Float32Array(this.slotElements);
    this.forEachTensor(adapter, (name, shape, index) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new AdapterError(`tensor ${name} is missing`);
      if (tensor.shape[0] !== shape[0] || tensor.shape[1] !== shape[1] || tensor.shape.length !== 2) {
        throw new AdapterError(`tensor ${name} has shape [${tensor.shape}], expected [${shape}]`);
      }
      for (let i = 0; i < tensor.data.length; i++) slot[index(i)] = tensor.data[i] as number;
    });
    return slot;
  }

  /** The tensors of an adapter out of one slot's elements [P]; inverse of `pack`. */
  unpack(adapter: AdapterConfig, slot: Float32Array): Map<string, HostTensor> {
    const tensors = new Map<string, HostTensor>();
    this.forEachTensor(adapter, (name, shape, index) => {
      const data = new Float32Array(shape[0] * shape[1]);
      for (let i = 0; i < data.length; i++) data[i] = slot[index(i)] as number;
      tensors.set(name, { shape, data });
    });
    return tensors;
  }

  /** Visits an adapter's tensors in layer, projection, A-then-B order with the place of each element in its slot. */
  private forEachTensor(
    adapter: AdapterConfig,
    visit: (name: string, shape: [number, number], index: (element: number) => number) => void,
  ): void {
    for (let layer = 0; layer < this.config.numLayers; layer++) {
      for (const projection of PROJECTIONS) {
        if (!adapter.targets.includes(projection)) continue;
        const [outputs, inputs] = projectionShape(this.config, projection);
        const a = this.offset(layer, projection, 'A');
        const b = this.offset(layer, projection, 'B');
        visit(adapterTensorName(layer, projection, 'A'), [adapter.rank, inputs], (i) => a + i);
        visit(adapterTensorName(layer, projection, 'B'), [outputs, adapter.rank], (i) => {
          const row = Math.floor(i / adapter.rank);
          return b + row * this.rank + (i - row * adapter.rank);
        });
      }
    }
    if (adapter.head === true) visit(HEAD_TENSOR, [1, this.config.hiddenSize], (i) => this.headOffset + i);
  }
}
