/** The engine worker: owns the GPU device, the base weights and every adapter. Everything heavy is loaded on `open`. */
import { EXACT_DEVICE } from '../src/engine/exact/device';
import { adapterTraits } from '../src/engine/gpu/adapter';
import { onWork } from '../src/engine/work';
import { createEngineHost } from '../src/lab/host/engineHost';
import type { EngineSummary } from '../src/lab/types';
import { Heart, serve } from '../src/supervision';
import { adapter, make } from './makeEngine';

async function probe(): Promise<EngineSummary> {
  const { gpu, reason } = await adapter();
  if (!gpu || reason !== null) {
    return { kind: 'exact', device: EXACT_DEVICE, software: false, fallbackReason: reason };
  }
  const { description, software, arithmetic } = adapterTraits(gpu);
  return { kind: 'webgpu', device: description, software, fallbackReason: null, arithmetic };
}

const heart = new Heart();
onWork(() => heart.worked());
serve(createEngineHost(probe, make, heart), heart, self);
