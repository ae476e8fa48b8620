/** What the host keeps of an engine's adapters: enough to put them into a new engine when the device is lost. */
import { copyAdapterWeights } from '../peft';
import type { AdapterConfig, AdapterId, AdapterWeights, Engine, HostTensor, OptimiserState } from '../types';

/** A new adapter is made again from its seed; one that was imported or trained is kept as it is. */
type Origin = { config: AdapterConfig; seed: number } | AdapterWeights;

interface Kept {
  origin: Origin;
  /** After the last training; null = not trained since it was made, imported or copied. */
  state: OptimiserState | null;
}

export class AdapterShelf {
  private readonly kept = new Map<AdapterId, Kept>();

  ids(): AdapterId[] {
    return [...this.kept.keys()];
  }

  has(id: AdapterId): boolean {
    return this.kept.has(id);
  }

  created(id: AdapterId, config: AdapterConfig, seed: number): void {
    const origin = { config: { ...config, targets: config.targets.slice() }, seed };
    this.kept.set(id, { origin, state: null });
  }

  /** @param weights nobody else changes them */
  imported(id: AdapterId, weights: AdapterWeights): void {
    this.kept.set(id, { origin: weights, state: null });
  }

  copied(from: AdapterId, to: AdapterId): void {
    const source = this.kept.get(from);
    // What is kept is replaced, never changed, so that two names may share it.
    if (source) this.kept.set(to, { origin: source.origin, state: null });
  }

  deleted(id: AdapterId): void {
    this.kept.delete(id);
  }

  /** @param weights and state: nobody else changes them */
  trained(id: AdapterId, weights: AdapterWeights, state: OptimiserState | null): void {
    this.kept.set(id, { origin: weights, state });
  }

  /** A copy of the optimiser's state after the last training. */
  state(id: AdapterId): OptimiserState | null {
    const state = this.kept.get(id)?.state ?? null;
    return state && { step: state.step, m: copyTensors(state.m), v: copyTensors(state.v) };
  }

  /** Puts all adapters into an engine that has none, in the order in which they came. */
  async restore(engine: Engine): Promise<void> {
    for (const [id, { origin }] of this.kept) {
      if ('seed' in origin) await engine.createAdapter(id, origin.config, origin.seed);
      else await engine.importAdapter(id, copyAdapterWeights(origin));
    }
  }
}

function copyTensors(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape: shape.slice(), data: data.slice() }]));
}
