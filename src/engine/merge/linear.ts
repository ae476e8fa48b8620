/**
 * Task arithmetic (Ilharco et al. 2023, arXiv 2212.04089): Σ λ_i ΔW_i. It is exact: the matrices of the adapters stand beside one
 * another, so the rank of the result is the sum of the ranks. `factorise` (deltas.ts) takes it to a smaller rank.
 */
import { AdapterError } from '../errors';
import { adapterScaling, HEAD_TENSOR } from '../peft';
import { PROJECTIONS, type AdapterWeights, type HostTensor } from '../types';

/** One adapter and its coefficient λ; a negative one takes away what the adapter has learnt. */
export interface Weighted {
  adapter: AdapterWeights;
  coefficient: number;
}

/**
 * @returns an adapter with the rank Σ R_i and scaling 1. Projections that not all adapters have are zero for the others.
 * @throws AdapterError for no adapters, a coefficient that is no number, and heads that only some have
 */
export function mergeLinear(parts: readonly Weighted[]): AdapterWeights {
  checkParts(parts);
  const rank = parts.reduce((sum, { adapter }) => sum + adapter.config.rank, 0);
  const targets = PROJECTIONS.filter((target) => parts.some(({ adapter }) => adapter.config.targets.includes(target)));
  const tensors = new Map<string, HostTensor>();
  for (const name of matrixNames(parts.map(({ adapter }) => adapter))) {
    const found = parts.map(({ adapter }) => [
      adapter.tensors.get(nameOf(name, 'A')),
      adapter.tensors.get(nameOf(name, 'B')),
    ]);
    const known = found.find(([a, b]) => a && b) as [HostTensor, HostTensor];
    const [inputs, outputs] = [known[0].shape[1] as number, known[1].shape[0] as number];
    const a = new Float32Array(rank * inputs);
    const b = new Float32Array(outputs * rank);
    let first = 0;
    parts.forEach(({ adapter, coefficient }, i) => {
      const { rank: own } = adapter.config;
      const [ownA, ownB] = found[i] as [HostTensor?, HostTensor?];
      if (ownA && ownB) {
        const scale = coefficient * adapterScaling(adapter.config);
        a.set(ownA.data, first * inputs);
        for (let o = 0; o < outputs; o++)
          for (let r = 0; r < own; r++) b[o * rank + first + r] = scale * (ownB.data[o * own + r] as number);
      }
      first += own;
    });
    tensors.set(nameOf(name, 'A'), { shape: [rank, inputs], data: a });
    tensors.set(nameOf(name, 'B'), { shape: [outputs, rank], data: b });
  }
  const head = mergedHead(parts);
  if (head) tensors.set(HEAD_TENSOR, head);
  return { config: { rank, alpha: rank, targets, ...(head && { head: true }) }, tensors };
}

/** Σ λ_i head_i; null where no adapter has one. */
export function mergedHead(parts: readonly Weighted[]): HostTensor | null {
  const heads = parts.flatMap(({ adapter }) => adapter.tensors.get(HEAD_TENSOR) ?? []);
  if (heads.length === 0) return null;
  if (heads.length < parts.length)
    throw new AdapterError('only some of the adapters have a head; merge those that have one, or those that have none');
  const data = new Float32Array((heads[0] as HostTensor).data.length);
  for (let d = 0; d < data.length; d++)
    data[d] = parts.reduce(
      (sum, { coefficient }, i) => sum + coefficient * ((heads[i] as HostTensor).data[d] as number),
      0,
    );
  return { shape: [1, data.length], data };
}

/** Names of the adapted matrices in order of appearance, without `.lora_A.weight`. */
export function matrixNames(adapters: readonly AdapterWeights[]): string[] {
  const names = adapters
    .flatMap(({ tensors }) => [...tensors.keys()])
    .filter((name) => name.endsWith('.lora_A.weight'));
  return [...new Set(names.map((name) => name.slice(0, -'.lora_A.weight'.length)))];
}

export function nameOf(matrix: string, part: 'A' | 'B'): string {
  return `${matrix}.lora_${part}.weight`;
}

export function checkParts(parts: readonly Weighted[]): void {
  if (parts.length === 0) throw new AdapterError('there is no adapter to merge');
  const wrong = parts.findIndex(({ coefficient }) => !Number.isFinite(coefficient));
  if (wrong >= 0)
    throw new AdapterError(`adapter ${wrong + 1} has the coefficient ${parts[wrong]?.coefficient}, which is no number`);
  const shapes = new Map<string, string>();
  for (const { adapter } of parts) {
    for (const name of matrixNames([adapter])) {
      const [a, b] = (['A', 'B'] as const).map((part) => adapter.tensors.get(nameOf(name, part)));
      const shape = `${b?.shape[0]} × ${a?.shape[1]}`;
      const known = shapes.get(name) ?? shape;
      if (known !== shape)
        throw new AdapterError(
          `${name} is ${known} in one adapter and ${shape} in another; merge adapters of one model`,
        );
      shapes.set(name, shape);
    }
  }
}
