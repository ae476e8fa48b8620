/**
 * What was too large for f16 and became its largest, ±65504: counted where weights are packed and where keys and values are
 * stored, and said in words. A model whose numbers were cut off still gives text, often a bad one.
 */
import { operation, OPERATION_NAMES } from './operations';
import type { Engine, EngineReport, TensorError } from './types';

/** Sums over the values of one tensor while it is packed. */
export interface ErrorSum {
  values: number;
  /** Σ (packed − original)² */
  squares: number;
  /** Σ original² */
  total: number;
  largest: number;
  saturated: number;
}

export function emptySum(): ErrorSum {
  return { values: 0, squares: 0, total: 0, largest: 0, saturated: 0 };
}

/** Adds values and what was kept of them to a sum. */
export function addErrors(sum: ErrorSum, values: Float32Array, kept: Float32Array, saturated: number): void {
  sum.values += values.length;
  sum.saturated += saturated;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const off = Math.abs((kept[i] as number) - value);
    sum.squares += off * off;
    sum.total += value * value;
    if (off > sum.largest) sum.largest = off;
  }
}

export function tensorError(name: string, { values, squares, total, largest, saturated }: ErrorSum): TensorError {
  return { name, values, relative: total === 0 ? 0 : Math.sqrt(squares / total), largest, saturated };
}

/** What packing cut off, in a sentence; null where it was nothing. */
export function weightsNotice({ dtype, errors }: Pick<EngineReport, 'dtype' | 'errors'>): string | null {
  const cut = errors.filter(({ saturated }) => saturated > 0);
  const [first] = cut;
  if (first === undefined) return null;
  const count = cut.reduce((sum, { saturated }) => sum + saturated, 0);
  const where = cut.length === 1 ? first.name : `${first.name} and ${cut.length - 1} more tensors`;
  const what = dtype === 'f16' ? ['weight', 'was', '±65504'] : ['scale of weights', 'was', '±1023.5'];
  const [name, verb, most] = count === 1 ? what : [what[0]?.replace(/^(weight|scale)\b/, '$1s'), 'were', what[2]];
  return (
    `${count.toLocaleString('en')} ${name} ${verb} too large for ${dtype} and became ${most} (${where}): the model may compute ` +
    'badly; load it with f32 weights (dtype).'
  );
}

/** What the cache of keys and values cut off, in a sentence; null where it was nothing. */
export function cacheNotice(count: number): string | null {
  if (count === 0) return null;
  const [what, verb] = count === 1 ? ['number', 'was'] : ['numbers', 'were'];
  return (
    `${count.toLocaleString('en')} ${what} among keys and values ${verb} too large for f16 and became ±65504: the results may be bad; ` +
    'keep keys and values in f32 (cache).'
  );
}

/** Says once what an engine's weights lost, and once when its keys and values begin to. */
export class SaturationWatch {
  private before = 0;
  private told = false;

  constructor(
    private readonly engine: Pick<Engine, 'report'>,
    private readonly tell: (message: string) => void,
  ) {}

  /** To be called when the engine is loaded, and again when another run begins on it. */
  async begin(): Promise<void> {
    const report = await this.report();
    this.told = false;
    this.before = report?.cacheSaturated ?? 0;
    const words = report && weightsNotice(report);
    if (words) this.tell(words);
  }

  /** To be called after every operation that stores keys and values. */
  async look(): Promise<void> {
    if (this.told) return;
    const count = (await this.report())?.cacheSaturated ?? 0;
    // An engine that took a lost one's place counts from 0.
    if (count < this.before) this.before = 0;
    const words = cacheNotice(count - this.before);
    if (words === null) return;
    this.told = true;
    this.tell(words);
  }

  /** Null of engines that keep no account. */
  private async report(): Promise<EngineReport | null> {
    try {
      return (await this.engine.report?.()) ?? null;
    } catch {
      // What went wrong shows in the engine's own operations.
      return null;
    }
  }
}

/** Operations that store keys and values. */
const STORING: ReadonlySet<PropertyKey> = new Set(OPERATION_NAMES.filter((name) => operation(name).stores));

/** The engine, with `SaturationWatch` over it. */
export async function watchedEngine(engine: Engine, tell: (message: string) => void): Promise<Engine> {
  const watch = new SaturationWatch(engine, tell);
  await watch.begin();
  return new Proxy(engine, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (!STORING.has(key)) return value.bind(target) as unknown;
      return async (...args: unknown[]): Promise<unknown> => {
        try {
          return await (value.apply(target, args) as Promise<unknown>);
        } finally {
          await watch.look();
        }
      };
    },
  });
}
