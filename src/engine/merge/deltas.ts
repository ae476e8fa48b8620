/** Adapters as what they add to the weights, ΔW = scaling · B · A, and back to an adapter of a given rank. */
import { drawUniform } from '../../random';
import { adapterScaling, HEAD_TENSOR } from '../peft';
import { PROJECTIONS, type AdapterWeights, type HostTensor } from '../types';
import { matrixNames, nameOf } from './linear';

/** A matrix [rows, columns]. */
export interface Delta {
  rows: number;
  columns: number;
  data: Float64Array;
}

/** ΔW [out, in] of every matrix that the adapter adapts. */
export function deltasOf(adapter: AdapterWeights): Map<string, Delta> {
  const { rank } = adapter.config;
  const scale = adapterScaling(adapter.config);
  return new Map(
    matrixNames([adapter]).map((name) => {
      const a = adapter.tensors.get(nameOf(name, 'A')) as HostTensor;
      const b = adapter.tensors.get(nameOf(name, 'B')) as HostTensor;
      const [rows, columns] = [b.shape[0] as number, a.shape[1] as number];
      const data = new Float64Array(rows * columns);
      for (let i = 0; i < rows; i++) {
        for (let r = 0; r < rank; r++) {
          const factor = scale * (b.data[i * rank + r] as number);
          for (let j = 0; j < columns; j++) data[i * columns + j]! += factor * (a.data[r * columns + j] as number);
        }
      }
      return [name, { rows, columns, data }];
    }),
  );
}

export interface Factorised {
  adapter: AdapterWeights;
  /** ‖ΔW − BA‖ / ‖ΔW‖ over all matrices: what the rank cannot hold; 0 where ΔW is 0. */
  lost: number;
}

/**
 * The adapter of this rank (scaling 1) that is next to the given ΔW: the largest singular values of each matrix, half of each on
 * either side. @param head is taken over as it is
 */
export function factorise(
  deltas: ReadonlyMap<string, Delta>,
  rank: number,
  head: HostTensor | null = null,
): Factorised {
  const tensors = new Map<string, HostTensor>();
  let lost = 0;
  let all = 0;
  for (const [name, delta] of deltas) {
    const { a, b } = truncated(delta, rank);
    const { rows, columns, data } = delta;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += (b[i * rank + r] as number) * (a[r * columns + j] as number);
        const value = data[i * columns + j] as number;
        lost += (value - sum) ** 2;
        all += value ** 2;
      }
    }
    tensors.set(nameOf(name, 'A'), { shape: [rank, columns], data: a });
    tensors.set(nameOf(name, 'B'), { shape: [rows, rank], data: b });
  }
  if (head) tensors.set(HEAD_TENSOR, { shape: head.shape.slice(), data: head.data.slice() });
  const targets = PROJECTIONS.filter((target) => [...deltas.keys()].some((name) => name.endsWith(`.${target}`)));
  const config = { rank, alpha: rank, targets, ...(head && { head: true }) };
  return { adapter: { config, tensors }, lost: all === 0 ? 0 : Math.sqrt(lost / all) };
}

/** Passes of the power iteration. Singular values that fall slowly need some; with `BESIDE` more of them change next to nothing. */
const PASSES = 8;
/** Directions beside those that are kept, so that the last of these is found well. */
const BESIDE = 8;

/** B [rows, rank] and A [rank, columns] with BA the best approximation, by block power iteration (Halko et al. 2011, algorithm 4.4). */
function truncated(delta: Delta, rank: number): { a: Float32Array; b: Float32Array } {
  const { rows, columns } = delta;
  const width = Math.min(rank + BESIDE, rows, columns);
  // Any start does that no singular vector is orthogonal to. Named draws are the same bits everywhere, which sines need not be.
  let right: Float64Array[] = Array.from({ length: width }, (_, k) =>
    Float64Array.from({ length: columns }, (_, j) => drawUniform({ seed: 0, stream: 0, problem: k }, j) - 0.5),
  );
  let left: Float64Array[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    left = orthonormal(right.map((vector) => times(delta, vector)));
    right = orthonormal(left.map((vector) => timesTransposed(delta, vector)));
  }
  // In the two subspaces ΔW is small; its own singular vectors turn them.
  const core = left.map((vector) => timesTransposed(delta, vector));
  const { values, vectors } = eigen(core.map((x) => core.map((y) => dot(x, y))));
  const a = new Float32Array(rank * columns);
  const b = new Float32Array(rows * rank);
  const order = values.map((_, k) => k).sort((x, y) => (values[y] as number) - (values[x] as number));
  order.slice(0, rank).forEach((k, r) => {
    const sigma = Math.sqrt(Math.max(0, values[k] as number));
    if (sigma === 0) return;
    const root = Math.sqrt(sigma);
    const turn = vectors.map((row) => row[k] as number);
    for (let i = 0; i < rows; i++)
      b[i * rank + r] = root * turn.reduce((sum, t, m) => sum + t * (left[m]?.[i] as number), 0);
    for (let j = 0; j < columns; j++)
      a[r * columns + j] = (root / sigma) * turn.reduce((sum, t, m) => sum + t * (core[m]?.[j] as number), 0);
  });
  return { a, b };
}

function times({ rows, columns, data }: Delta, vector: Float64Array): Float64Array {
  const out = new Float64Array(rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[i]! += (data[i * columns + j] as number) * (vector[j] as number);
  return out;
}

function timesTransposed({ rows, columns, data }: Delta, vector: Float64Array): Float64Array {
  const out = new Float64Array(columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j]! += (data[i * columns + j] as number) * (vector[i] as number);
  return out;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (y[i] as number);
  return sum;
}

/** Gram-Schmidt, twice; what depends on the vectors before it becomes 0. */
function orthonormal(vectors: Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const vector of vectors) {
    const before = Math.sqrt(dot(vector, vector));
    for (let twice = 0; twice < 2; twice++) {
      for (const other of done) {
        const part = dot(vector, other);
        for (let i = 0; i < vector.length; i++) vector[i]! -= part * (other[i] as number);
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    const scale = norm > 1e-12 * before ? 1 / norm : 0;
    done.push(vector.map((value) => value * scale));
  }
  return done;
}

/** Eigenvalues and eigenvectors (columns) of a small symmetric matrix, by Jacobi's rotations. */
function eigen(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const m = matrix.map((row) => row.slice());
  const vectors = m.map((_, i) => m.map((_, j) => (i === j ? 1 : 0)));
  const at = (i: number, j: number): number => (m[i] as number[])[j] as number;
  for (let sweep = 0; sweep < 64; sweep++) {
    let off = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) off += at(i, j) ** 2;
    const size = m.reduce((sum, _, i) => sum + at(i, i) ** 2, 0);
    if (off <= 1e-30 * size) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (at(p, q) === 0) continue;
        const theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        for (const row of [...m, ...vectors]) rotate(row, p, q, c, t * c);
        const [first, second] = [m[p] as number[], m[q] as number[]];
        for (let k = 0; k < n; k++) {
          const [x, y] = [first[k] as number, second[k] as number];
          first[k] = c * x - t * c * y;
          second[k] = t * c * x + c * y;
        }
      }
    }
  }
  return { values: m.map((_, i) => at(i, i)), vectors };
}

function rotate(row: number[], p: number, q: number, c: number, s: number): void {
  const [x, y] = [row[p] as number, row[q] as number];
  row[p] = c * x - s * y;
  row[q] = s * x + c * y;
}
