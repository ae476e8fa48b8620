/** The memory of one set of kernels: rooms that stay, and behind them the arrays of the present pass. */
import { MemoryPlanError } from '../errors';
import type { Scratch } from '../reference/arithmetic';

const PAGE = 65536;
/** Addresses are 32-bit. */
const MOST_PAGES = 65536;
/** Rooms begin at whole cache lines, and kernels read and write up to a cache line behind an end. */
const LINE = 64;

/** Bytes that a room of this many numbers takes. */
export function roomBytes(numbers: number): number {
  return Math.ceil((4 * numbers) / LINE) * LINE + LINE;
}

export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly scratch: Scratch;
  private top = 0;
  /** Rooms that were given back, by their size in bytes. */
  private readonly free = new Map<number, number[]>();

  /** @throws MemoryPlanError when this device does not give that much */
  constructor(private readonly capacity: number) {
    const pages = Math.ceil(capacity / PAGE) + 1;
    if (pages > MOST_PAGES) throw new MemoryPlanError(tooMuch(capacity));
    try {
      // It is not grown: that would take every array away. Pages that are never touched cost nothing.
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch (error) {
      throw new MemoryPlanError(tooMuch(capacity), { cause: error });
    }
    this.scratch = new ArenaScratch(
      (from, numbers) => this.view(from, numbers),
      capacity,
      () => this.top,
    );
  }

  /** Nothing lies below this address. */
  begin(heapBase: number): void {
    this.top = Math.ceil(heapBase / LINE) * LINE;
  }

  /** Bytes that are left for further rooms and for passes. */
  get left(): number {
    return this.capacity - this.top;
  }

  holds(array: Float32Array): boolean {
    return array.buffer === this.memory.buffer;
  }

  /** Zeros, or what was in a room of this size that was given back. */
  room(numbers: number): Float32Array {
    const bytes = roomBytes(numbers);
    const used = this.free.get(bytes)?.pop();
    if (used !== undefined) return this.view(used, numbers);
    const from = this.top;
    if (bytes > this.left)
      throw new MemoryPlanError(`the plan of the exact engine has no room for ${bytes} bytes more`);
    this.top += bytes;
    return this.view(from, numbers);
  }

  /** The room may be used again. */
  release(room: Float32Array): void {
    const bytes = roomBytes(room.length);
    const same = this.free.get(bytes);
    if (same) same.push(room.byteOffset);
    else this.free.set(bytes, [room.byteOffset]);
  }

  private view(from: number, numbers: number): Float32Array {
    return new Float32Array(this.memory.buffer, from, numbers);
  }
}

/** Arrays of a pass one after the other. Passes of the same sizes get the same arrays, so that they make no new objects. */
class ArenaScratch implements Scratch {
  private readonly now = new Map<string, Float32Array>();
  private readonly known = new Map<string, Float32Array>();
  private end = 0;
  private most = 0;

  constructor(
    private readonly view: (from: number, numbers: number) => Float32Array,
    private readonly capacity: number,
    private readonly top: () => number,
  ) {}

  begin(): void {
    this.now.clear();
    this.end = this.top();
  }

  get(name: string, length: number): Float32Array {
    const array = this.now.get(name);
    if (array !== undefined && array.length >= length) {
      return array.length === length ? array : array.subarray(0, length);
    }
    const from = this.end;
    this.end += roomBytes(length);
    if (this.end > this.capacity) {
      throw new MemoryPlanError(
        `the plan of the exact engine has no room for ${this.end - this.capacity} bytes of a pass`,
      );
    }
    this.most = Math.max(this.most, this.end - this.top());
    const before = this.known.get(name);
    const made = before?.byteOffset === from && before.length === length ? before : this.view(from, length);
    this.known.set(name, made);
    this.now.set(name, made);
    return made;
  }

  zeros(name: string, length: number): Float32Array {
    return this.get(name, length).fill(0);
  }

  get bytes(): number {
    return this.most;
  }
}

function tooMuch(bytes: number): string {
  return (
    `the exact engine needs ${Math.ceil(bytes / 2 ** 20)} MiB of memory in one piece, which this device does not give: ` +
    'set fewer rows (maxRows) or shorter sequences (maxLength)'
  );
}
