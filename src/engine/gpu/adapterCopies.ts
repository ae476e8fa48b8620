/** A copy of the adapters in f16, half the bytes of the pool: what generation and scoring read where products are in f16. */

import type { AdapterPool } from './forward';
import type { Gpu } from './device';
import type { AdapterLayout } from './layout';
import { ProgramCache, type Program } from './program';

/** Workgroups that copy an adapter together. */
const GROUPS = 64;

/** Bytes of its buffers (`adapterCopySizes`). */
export interface CopySizes {
  copies: number;
  'scales of copies': number;
  'largest weight': number;
}

export class AdapterCopies implements AdapterPool {
  readonly dtype = 'f16';
  readonly layout: AdapterLayout;
  /** f16 [slots, P], weights times a power of two */
  readonly weights: GPUBuffer;
  /** f32 [slots], which take the power back */
  readonly scale: GPUBuffer;
  private readonly peak: GPUBuffer;
  /** Which weights each slot's copy was made of. */
  private readonly versions = new Map<number, number>();
  private readonly programs: ProgramCache;

  /** @throws MemoryPlanError when the copies are larger than one binding of the device may be */
  constructor(
    gpu: Gpu,
    private readonly master: AdapterPool,
    sizes: CopySizes,
  ) {
    this.layout = master.layout;
    this.weights = gpu.buffer('copies of adapters in f16', sizes.copies);
    this.scale = gpu.buffer('scales of copies', sizes['scales of copies']);
    this.peak = gpu.buffer('largest weight of an adapter', sizes['largest weight']);
    this.programs = new ProgramCache(gpu, sizes['scales of copies'] / 4);
  }

  /** Queues the copy of a slot whose weights are others than those that were copied. */
  refresh(slot: number, version: number): void {
    if (this.versions.get(slot) === version) return;
    this.programs.get(`copy ${slot}`, (program) => this.record(program, slot)).submit();
    this.versions.set(slot, version);
  }

  private record(program: Program, slot: number): void {
    const { weights, scale, layout } = this.master;
    const quads = layout.slotElements / 4;
    program.clear(this.peak);
    program.add('adapter_peak', {}, [weights, this.peak], [quads, slot * quads], [GROUPS]);
    const bindings = [weights, scale, this.peak, this.weights, this.scale];
    program.add('adapter_halves', {}, bindings, [quads, slot * quads, slot], [GROUPS]);
  }
}
