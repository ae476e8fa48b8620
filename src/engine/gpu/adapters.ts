/** Adapters on the device: which slot of the pool each occupies, and their way in and out. */

import { adapterCopySizes, adapterSizes } from '../buffers';
import { AdapterError, RequestError } from '../errors';
import { checkExported } from '../finite';
import { adapterScaling, checkAdapter, initAdapter } from '../peft';
import { checkCapacity } from '../requests';
import type { AdapterConfig, AdapterDtype, AdapterId, AdapterWeights, ModelConfig, Projection } from '../types';
import { AdapterCopies } from './adapterCopies';
import type { Gpu } from './device';
import type { AdapterPool } from './forward';
import { AdapterLayout } from './layout';

interface Resident {
  slot: number;
  config: AdapterConfig;
  /** Which weights these are: no other weights of this engine have or had this number, a copy has its original's. */
  version: number;
}

/** The version of the base without an adapter. */
export const BASE_VERSION = 0;

/** Room for adapters. */
export interface AdapterLimits {
  maxAdapters: number;
  maxRank: number;
  /** What generation and scoring read. */
  adapterDtype: AdapterDtype;
}

export class AdapterStore implements AdapterPool {
  readonly dtype = 'f32';
  readonly layout: AdapterLayout;
  /** f32 [slots, P] */
  readonly weights: GPUBuffer;
  /** f32 [slots] */
  readonly scale: GPUBuffer;
  private readonly copies: AdapterCopies | null;
  private readonly residents = new Map<AdapterId, Resident>();
  private readonly free: number[];
  private lastVersion = BASE_VERSION;

  /** @throws MemoryPlanError when the pool is larger than one binding of the device may be */
  constructor(
    private readonly gpu: Gpu,
    private readonly config: ModelConfig,
    private readonly limits: AdapterLimits,
  ) {
    const slots = Math.max(1, limits.maxAdapters);
    this.layout = new AdapterLayout(config, limits.maxRank);
    const { pool, scales } = adapterSizes(config, limits.maxAdapters, limits.maxRank);
    this.weights = gpu.buffer(`pool of ${slots} adapters (maxAdapters, maxRank)`, pool);
    this.scale = gpu.buffer('adapter scales', scales);
    const copied = adapterCopySizes(config, limits.maxAdapters, limits.maxRank);
    this.copies = limits.adapterDtype === 'f16' ? new AdapterCopies(gpu, this, copied) : null;
    this.free = Array.from({ length: limits.maxAdapters }, (_, i) => limits.maxAdapters - 1 - i);
  }

  has(id: AdapterId): boolean {
    return this.residents.has(id);
  }

  /** One more fits. */
  get hasRoom(): boolean {
    return this.free.length > 0;
  }

  ids(): AdapterId[] {
    return [...this.residents.keys()];
  }

  /** @throws RequestError when there is no such adapter */
  get(id: AdapterId): Readonly<Resident> {
    const resident = this.residents.get(id);
    if (resident === undefined) throw new RequestError(`there is no adapter ${id}`);
    return resident;
  }

  /** What generation and scoring read: an adapter's slot there is what `ready` has made it. */
  get decoding(): AdapterPool {
    return this.copies ?? this;
  }

  /** As `get`, when generation and scoring are about to read it. @throws RequestError when there is no such adapter */
  ready(id: AdapterId): Readonly<Resident> {
    const resident = this.get(id);
    this.copies?.refresh(resident.slot, resident.version);
    return resident;
  }

  /** Projections that any of the adapters has, in their fixed order when listed. */
  targets(): ReadonlySet<Projection> {
    const targets = new Set<Projection>();
    for (const { config } of this.residents.values()) config.targets.forEach((target) => targets.add(target));
    return targets;
  }

  create(id: AdapterId, config: AdapterConfig, seed: number): void {
    this.import(id, initAdapter(this.config, config, seed));
  }

  /** Replaces an adapter of the same name. @throws AdapterError, RequestError; nothing is changed then */
  import(id: AdapterId, adapter: AdapterWeights): void {
    checkAdapter(this.config, adapter, `adapter ${id}`);
    const slot = this.layoutOf(id, adapter);
    this.place(id, adapter.config, slot, ++this.lastVersion);
  }

  /** The weights in the adapter's slot were changed. @throws RequestError when there is no such adapter */
  changed(id: AdapterId): void {
    this.residents.set(id, { ...this.get(id), version: ++this.lastVersion });
  }

  /** @throws NonFiniteError, RequestError */
  async export(id: AdapterId): Promise<AdapterWeights> {
    const { slot, config } = this.get(id);
    const bytes = this.layout.slotElements * 4;
    const elements = new Float32Array(await this.gpu.read(this.weights, slot * bytes, bytes));
    return checkExported(id, { config: copyConfig(config), tensors: this.layout.unpack(config, elements) });
  }

  /** The head [D] of an adapter that has one. @throws RequestError */
  async head(id: AdapterId): Promise<Float32Array> {
    const { slot } = this.get(id);
    const { headOffset, slotElements } = this.layout;
    const at = (slot * slotElements + headOffset) * 4;
    return new Float32Array(await this.gpu.read(this.weights, at, this.config.hiddenSize * 4));
  }

  async copy(source: AdapterId, target: AdapterId): Promise<void> {
    const { slot, config, version } = this.get(source);
    const bytes = this.layout.slotElements * 4;
    const elements = new Float32Array(await this.gpu.read(this.weights, slot * bytes, bytes));
    checkCapacity(target, config, this.presence(), this.limits);
    this.place(target, config, elements, version);
  }

  /** @throws RequestError when there is no such adapter */
  delete(id: AdapterId): void {
    const { slot } = this.get(id);
    this.residents.delete(id);
    this.free.push(slot);
  }

  private layoutOf(id: AdapterId, adapter: AdapterWeights): Float32Array {
    checkCapacity(id, adapter.config, this.presence(), this.limits);
    return this.layout.pack(adapter.config, adapter.tensors);
  }

  private place(id: AdapterId, config: AdapterConfig, elements: Float32Array, version: number): void {
    const slot = this.residents.get(id)?.slot ?? this.free.pop();
    if (slot === undefined) throw new AdapterError(`adapter ${id}: all slots are taken`);
    this.gpu.write(this.weights, elements, slot * this.layout.slotElements * 4);
    this.gpu.write(this.scale, Float32Array.of(adapterScaling(config)), slot * 4);
    this.residents.set(id, { slot, config: copyConfig(config), version });
  }

  private presence(): { has(id: AdapterId): boolean; size: number } {
    return { has: (id) => this.residents.has(id), size: this.residents.size };
  }
}

function copyConfig(config: AdapterConfig): AdapterConfig {
  return { ...config, targets: config.targets.slice() };
}
