/** Merging by signs: TIES and EMR, on ΔW as plain vectors; `factorise` (deltas.ts) makes adapters of them. */
import { AdapterError } from '../errors';
import type { AdapterWeights, HostTensor } from '../types';
import { deltasOf, factorise, type Delta, type Factorised } from './deltas';
import { checkParts, mergedHead } from './linear';

export interface TiesSettings {
  /** Share of each adapter's entries that are kept, the largest ones; the paper's K is 0.2. */
  density: number;
  /** λ of the sum. */
  scale: number;
  /** Of the adapter that comes out. */
  rank: number;
}

/**
 * TIES (Yadav et al. 2023, arXiv 2306.01708): trims each task vector to its largest entries, elects a sign for each entry, and takes the
 * mean of those that agree. ΔW is no product of small matrices then, so the adapter is the nearest of its rank.
 * @throws AdapterError
 */
export function mergeTies(adapters: readonly AdapterWeights[], { density, scale, rank }: TiesSettings): Factorised {
  const parts = adapters.map((adapter) => ({ adapter, coefficient: scale / Math.max(1, adapters.length) }));
  checkParts(parts);
  if (!(density > 0 && density <= 1)) throw new AdapterError(`density is ${density}, not in (0, 1]`);
  const flat = flattened(adapters);
  const merged = tiesOf(flat.vectors, density).map((value) => scale * value);
  return factorise(flat.back(merged), rank, mergedHead(parts));
}

/** The merged vector of TIES before λ. */
export function tiesOf(vectors: readonly Float64Array[], density: number): Float64Array {
  const trimmed = vectors.map((vector) => trim(vector, density));
  const length = trimmed[0]?.length ?? 0;
  const sums = new Float64Array(length);
  for (const vector of trimmed) for (let i = 0; i < length; i++) sums[i]! += vector[i] as number;
  // An entry whose sum is 0 takes the sign that most entries have, as in the authors' code.
  const majority = Math.sign(sums.reduce((sum, value) => sum + Math.sign(value), 0));
  return sums.map((sum, i) => {
    const sign = Math.sign(sum) || majority;
    const agreeing = trimmed
      .map((vector) => vector[i] as number)
      .filter((value) => value !== 0 && Math.sign(value) === sign);
    return agreeing.length === 0 ? 0 : agreeing.reduce((total, value) => total + value, 0) / agreeing.length;
  });
}

/** The largest entries by magnitude, ⌈density · n⌉ and those that tie with the last; 0 elsewhere. */
function trim(vector: Float64Array, density: number): Float64Array {
  const kept = Math.ceil(density * vector.length);
  const least = vector.map(Math.abs).sort()[vector.length - kept] ?? 0;
  return vector.map((value) => (Math.abs(value) >= least ? value : 0));
}

export interface Emr {
  /** The unified vector. */
  unified: Float64Array;
  /** For each agent its rescaled, masked part of it. */
  agents: Float64Array[];
}

/**
 * EMR (Huang et al. 2024, arXiv 2405.17461): one vector with the elected sign and the largest agreeing magnitude of each entry, and for
 * each agent a mask (where its sign agrees) and a factor, which brings the mean magnitude back to its own. Magnitudes are compared over
 * all entries together; the authors' code adds up the means of single tensors.
 */
export function emrOf(vectors: readonly Float64Array[]): Emr {
  const length = vectors[0]?.length ?? 0;
  const unified = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const values = vectors.map((vector) => vector[i] as number);
    const sign = Math.sign(values.reduce((sum, value) => sum + value, 0));
    unified[i] = sign * Math.max(0, ...values.map((value) => sign * value));
  }
  const mass = (vector: Float64Array): number => vector.reduce((sum, value) => sum + Math.abs(value), 0);
  const agents = vectors.map((vector) => {
    const masked = unified.map((value, i) => ((vector[i] as number) * value > 0 ? value : 0));
    const size = mass(masked);
    const factor = size === 0 ? 0 : mass(vector) / size;
    return masked.map((value) => factor * value);
  });
  return { unified, agents };
}

/** The adapter of EMR's unified vector, then one for each agent; heads are averaged for the first, and kept by the others. */
export function mergeEmr(
  adapters: readonly AdapterWeights[],
  rank: number,
): { unified: Factorised; agents: Factorised[] } {
  const parts = adapters.map((adapter) => ({ adapter, coefficient: 1 / Math.max(1, adapters.length) }));
  checkParts(parts);
  const flat = flattened(adapters);
  const { unified, agents } = emrOf(flat.vectors);
  return {
    unified: factorise(flat.back(unified), rank, mergedHead(parts)),
    agents: agents.map((agent, i) => factorise(flat.back(agent), rank, headOf(adapters[i] as AdapterWeights))),
  };
}

/**
 * The part of EMR's vector that belongs to one of the adapters, without the work for the others.
 * @param of its index
 * @throws AdapterError
 */
export function mergeEmrPart(adapters: readonly AdapterWeights[], of: number, rank: number): Factorised {
  checkParts(adapters.map((adapter) => ({ adapter, coefficient: 1 })));
  const flat = flattened(adapters);
  const own = emrOf(flat.vectors).agents[of];
  if (!own) throw new AdapterError(`there is no adapter ${of + 1} among the ${adapters.length} that are merged`);
  return factorise(flat.back(own), rank, headOf(adapters[of] as AdapterWeights));
}

function headOf(adapter: AdapterWeights): HostTensor | null {
  return mergedHead([{ adapter, coefficient: 1 }]);
}

/** ΔW of several adapters as vectors in one order of entries, zeros where an adapter lacks a matrix, and the way back. */
function flattened(adapters: readonly AdapterWeights[]): {
  vectors: Float64Array[];
  back(vector: Float64Array): Map<string, Delta>;
} {
  const all = adapters.map(deltasOf);
  const shapes = new Map(
    all.flatMap((deltas) => [...deltas].map(([name, { rows, columns }]) => [name, { rows, columns }])),
  );
  const length = [...shapes.values()].reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const vectors = all.map((deltas) => {
    const vector = new Float64Array(length);
    let at = 0;
    for (const [name, { rows, columns }] of shapes) {
      const delta = deltas.get(name);
      if (delta) vector.set(delta.data, at);
      at += rows * columns;
    }
    return vector;
  });
  const back = (vector: Float64Array): Map<string, Delta> => {
    let at = 0;
    return new Map(
      [...shapes].map(([name, { rows, columns }]) => {
        const data = vector.slice(at, (at += rows * columns));
        return [name, { rows, columns, data }];
      }),
    );
  };
  return { vectors, back };
}
