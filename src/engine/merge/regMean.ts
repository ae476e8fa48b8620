/**
 * RegMean (Jin et al. 2023, arXiv 2212.09849): the matrix whose outputs are nearest, in the sum of squares, to those of every model on
 * the inputs that this model saw. With Gram matrices G_i = Σ x xᵀ of these inputs it is W = (Σ W_i G_i)(Σ G_i)⁻¹.
 *
 * On adapters of one base, W_i = W + ΔW_i, the base drops out: ΔW = (Σ ΔW_i G_i)(Σ G_i)⁻¹. With ΔW_i = s_i B_i A_i this is
 * Σ s_i B_i · A_i G_i (Σ G)⁻¹: the merged adapter keeps every B_i and is exact at the rank Σ R_i. G_i counts positions, as in the
 * paper's formula: who learnt from more tokens counts more. Entries beside the diagonal of G_i are multiplied by a factor first, as there.
 */
import { AdapterError } from '../errors';
import { HEAD_TENSOR } from '../peft';
import {
  INPUT_OF,
  PROJECTIONS,
  type AdapterWeights,
  type Gram,
  type Grams,
  type HostTensor,
  type LayerInput,
} from '../types';
import { checkParts, matrixNames, mergedHead, mergeLinear, nameOf } from './linear';

/** An adapter, and the products A·G of its matrices [R, width] by name. */
interface Part {
  adapter: AdapterWeights;
  products: Map<string, Float64Array>;
}

/** A sum of Gram matrices, and how many adapters are in it. */
interface Sum extends Gram {
  count: number;
}

/** Takes adapters one by one with their Gram matrices, and keeps of these the sum alone. */
export class RegMean {
  private readonly parts: Part[] = [];
  private readonly sums = new Map<string, Sum>();

  /**
   * @param offDiagonal what entries beside the diagonal are multiplied by, 0..1; 0 weighs each feature by its own square alone
   * @throws AdapterError for another factor
   */
  constructor(private readonly offDiagonal: number) {
    if (!(offDiagonal >= 0 && offDiagonal <= 1))
      throw new AdapterError(`the factor of entries beside the diagonal is ${offDiagonal}, not in [0, 1]`);
  }

  /**
   * @param grams of what every matrix reads under this adapter that any of the adapters adapts
   * @throws AdapterError where one of its own matrices has none
   */
  add(adapter: AdapterWeights, grams: Grams): void {
    const damped = new Map<string, Gram>();
    grams.forEach((layer, at) => {
      for (const [input, gram] of Object.entries(layer))
        damped.set(placeOf(at, input as LayerInput), this.damped(gram as Gram));
    });
    for (const [place, gram] of damped) this.sum(place, gram);
    const products = new Map<string, Float64Array>();
    for (const name of matrixNames([adapter])) {
      const { data, shape } = adapter.tensors.get(nameOf(name, 'A')) as HostTensor;
      const [rank, width] = shape as [number, number];
      const gram = damped.get(readBy(name));
      if (gram?.width !== width) throw missing(name, width);
      products.set(name, times(data, gram.data, rank, width));
    }
    this.parts.push({ adapter, products });
  }

  /**
   * @returns an adapter of the rank Σ R_i with scaling 1. A feature that no adapter ever saw is averaged over the adapters; heads are averaged
   * @throws AdapterError for no adapters, adapters of several models, matrices without a Gram matrix, and sums that have no inverse
   */
  merged(): AdapterWeights {
    const adapters = this.parts.map(({ adapter }) => adapter);
    const weighted = adapters.map((adapter) => ({ adapter, coefficient: 1 }));
    checkParts(weighted);
    // The B_i side by side with their scalings, and the A_i one under the other, which are replaced.
    const merged = mergeLinear(weighted);
    const solvers = new Map<string, Solver>();
    for (const name of matrixNames(adapters)) {
      const { data, shape } = merged.tensors.get(nameOf(name, 'A')) as HostTensor;
      const width = shape[1] as number;
      const place = readBy(name);
      const sum = this.sums.get(place);
      if (sum?.width !== width || sum.count < adapters.length) throw missing(name, width);
      const solver = solvers.get(place) ?? solverOf(sum, name);
      solvers.set(place, solver);
      this.replaceRows(data, name, solver);
    }
    const head = mergedHead(adapters.map((adapter) => ({ adapter, coefficient: 1 / adapters.length })));
    if (head) merged.tensors.set(HEAD_TENSOR, head);
    return merged;
  }

  /** @param rows [Σ R_i, width] the A_i, which become A_i G_i (Σ G)⁻¹ */
  private replaceRows(rows: Float32Array, name: string, { width, factor, unseen }: Solver): void {
    let first = 0;
    for (const { adapter, products } of this.parts) {
      const { rank } = adapter.config;
      const product = products.get(name);
      for (let r = 0; product && r < rank; r++) {
        const row = rows.subarray((first + r) * width, (first + r + 1) * width);
        const right = product.slice(r * width, (r + 1) * width);
        for (const feature of unseen) right[feature] = row[feature] as number;
        row.set(solved(factor, right, width));
      }
      first += rank;
    }
  }

  private damped({ width, data }: Gram): Gram {
    return { width, data: data.map((value, at) => (at % (width + 1) === 0 ? value : this.offDiagonal * value)) };
  }

  private sum(place: string, { width, data }: Gram): void {
    const sum = this.sums.get(place) ?? { width, data: new Float64Array(data.length), count: 0 };
    this.sums.set(place, sum);
    if (sum.width !== width) throw new AdapterError('the Gram matrices are of several models');
    for (let i = 0; i < data.length; i++) sum.data[i]! += data[i] as number;
    sum.count++;
  }
}

const placeOf = (layer: number, input: LayerInput): string => `${layer} ${input}`;

const MATRIX = /layers\.(\d+)\..*?(\w+)$/;

/** What a matrix reads: the place of its Gram matrix. */
function readBy(name: string): string {
  const [, layer = '', projection] = MATRIX.exec(name) ?? [];
  const known = PROJECTIONS.find((one) => one === projection);
  return known ? placeOf(Number(layer), INPUT_OF[known]) : '';
}

function missing(name: string, width: number): AdapterError {
  return new AdapterError(`there is no Gram matrix of the inputs of ${name}, which has ${width}`);
}

/** The inverse of a sum, as its Cholesky factor. */
interface Solver {
  width: number;
  factor: Float64Array;
  /** Features that no adapter ever saw. */
  unseen: readonly number[];
}

/** A feature that nobody ever saw counts once for each adapter, so that the sum has an inverse. @throws AdapterError where it has none */
function solverOf({ width, data, count }: Sum, name: string): Solver {
  const matrix = data.slice();
  const unseen = Array.from({ length: width }, (_, i) => i).filter((i) => data[i * (width + 1)] === 0);
  for (const i of unseen) matrix[i * (width + 1)] = count;
  return { width, factor: cholesky(matrix, width, name), unseen };
}

/** rows[R, width] · matrix[width, width] */
function times(rows: ArrayLike<number>, matrix: Float64Array, R: number, width: number): Float64Array {
  const out = new Float64Array(R * width);
  for (let r = 0; r < R; r++) {
    for (let i = 0; i < width; i++) {
      const x = rows[r * width + i] as number;
      for (let j = 0; j < width; j++) out[r * width + j]! += x * (matrix[i * width + j] as number);
    }
  }
  return out;
}

/** What is left of a feature's square beside those before it: a smaller share is rounding, since Gram matrices have 32 bits. */
const LEAST_PIVOT = 1e-6;

/** L with L·Lᵀ = matrix. @throws AdapterError for a matrix without an inverse */
function cholesky(matrix: Float64Array, width: number, name: string): Float64Array {
  const factor = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * width + j] as number;
      for (let k = 0; k < j; k++) sum -= (factor[i * width + k] as number) * (factor[j * width + k] as number);
      if (i !== j) factor[i * width + j] = sum / (factor[j * (width + 1)] as number);
      else if (sum > LEAST_PIVOT * (matrix[i * (width + 1)] as number)) factor[i * (width + 1)] = Math.sqrt(sum);
      else
        throw new AdapterError(
          `the Gram matrices of the inputs of ${name} have no inverse: there are too few texts for its ${width} features; ` +
            'lower the factor of entries beside the diagonal',
        );
    }
  }
  return factor;
}

/** x with L·Lᵀ·x = right. */
function solved(factor: Float64Array, right: Float64Array, width: number): Float64Array {
  const x = right.slice();
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < i; k++) x[i]! -= (factor[i * width + k] as number) * (x[k] as number);
    x[i]! /= factor[i * (width + 1)] as number;
  }
  for (let i = width - 1; i >= 0; i--) {
    for (let k = i + 1; k < width; k++) x[i]! -= (factor[k * width + i] as number) * (x[k] as number);
    x[i]! /= factor[i * (width + 1)] as number;
  }
  return x;
}
