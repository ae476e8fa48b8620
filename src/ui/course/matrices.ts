/** The two matrices of a LoRA adapter at one projection, and what they come to. */
import { PROJECTIONS, type AdapterWeights, type Projection } from '../../engine/types';

/** Row by row. */
export interface Matrix {
  rows: number;
  columns: number;
  data: Float32Array;
}

export interface LoraMatrices {
  /** [rank, inputs] */
  a: Matrix;
  /** [outputs, rank] */
  b: Matrix;
  /** What is added to the frozen matrix: scaling · B·A, [outputs, inputs]. */
  update: Matrix;
}

/** Layers and projections that an adapter has matrices for, in the model's order. */
export function placesOf({ tensors }: AdapterWeights): { layer: number; projection: Projection }[] {
  return [...tensors.keys()]
    .flatMap((name) => {
      const found = /\.layers\.(\d+)\.\w+\.(\w+)\.lora_A\.weight$/.exec(name);
      const projection = PROJECTIONS.find((one) => one === found?.[2]);
      return found && projection ? [{ layer: Number(found[1]), projection }] : [];
    })
    .sort((x, y) => x.layer - y.layer || PROJECTIONS.indexOf(x.projection) - PROJECTIONS.indexOf(y.projection));
}

/** Null where the adapter has no matrices there. */
export function matricesAt(weights: AdapterWeights, layer: number, projection: Projection): LoraMatrices | null {
  const { config, tensors } = weights;
  const of = (letter: 'A' | 'B'): Matrix | null => {
    const end = `.${projection}.lora_${letter}.weight`;
    const name = [...tensors.keys()].find((key) => key.includes(`.layers.${layer}.`) && key.endsWith(end));
    const tensor = name === undefined ? undefined : tensors.get(name);
    const [rows, columns] = tensor?.shape ?? [];
    return tensor && rows !== undefined && columns !== undefined ? { rows, columns, data: tensor.data } : null;
  };
  const [a, b] = [of('A'), of('B')];
  if (!a || !b) return null;
  const scaling = config.alpha / (config.rslora ? Math.sqrt(config.rank) : config.rank);
  return { a, b, update: product(b, a, scaling) };
}

function product(left: Matrix, right: Matrix, scaling: number): Matrix {
  const data = new Float32Array(left.rows * right.columns);
  for (let row = 0; row < left.rows; row++)
    for (let inner = 0; inner < left.columns; inner++) {
      const factor = scaling * (left.data[row * left.columns + inner] as number);
      for (let column = 0; column < right.columns; column++)
        data[row * right.columns + column]! += factor * (right.data[inner * right.columns + column] as number);
    }
  return { rows: left.rows, columns: right.columns, data };
}

/** The largest number of a matrix without its sign. */
export function largestOf({ data }: Matrix): number {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** How far a matrix moved: the largest change of a number. Both have the same shape. */
export function largestChange(before: Matrix, after: Matrix): number {
  const data = after.data.map((value, at) => value - (before.data[at] ?? 0));
  return largestOf({ ...after, data });
}
