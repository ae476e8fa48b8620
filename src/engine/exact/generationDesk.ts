/** One generation over several lanes: which rows wait, which lane has which, what came out. */
import type { IndexedRequest } from '../reference/generate';
import type { GenerateOptions, GenerateRequest, GenerateResult } from '../types';
import type { RemoteLane } from './remoteLane';

export class GenerationDesk {
  readonly results: GenerateResult[];
  /** The first rows of every lane. */
  private readonly shares: IndexedRequest[][];
  private readonly waiting: IndexedRequest[];
  /** Ids of each row that were passed on, for a row that is computed again. */
  private readonly told: number[];

  /** @param laneRows rows that a lane decodes together */
  constructor(
    requests: readonly GenerateRequest[],
    private readonly options: GenerateOptions,
    lanes: number,
    laneRows: number,
  ) {
    this.results = new Array(requests.length);
    this.told = new Array<number>(requests.length).fill(0);
    const all = requests.map((request, index) => ({ index, request }));
    const first = all.slice(0, lanes * laneRows).sort(byAdapter);
    const share = Math.ceil(first.length / lanes);
    this.shares = Array.from({ length: lanes }, (_, lane) => first.slice(lane * share, (lane + 1) * share));
    this.waiting = all.slice(first.length);
  }

  get hasMore(): boolean {
    return this.waiting.length > 0;
  }

  first(lane: number): IndexedRequest[] {
    return this.shares[lane] ?? [];
  }

  take(count: number): IndexedRequest[] {
    return this.options.signal?.aborted ? [] : this.waiting.splice(0, count);
  }

  /** From now on the desk hears of these rows, and those that it takes later. */
  connect(lane: RemoteLane, rows: readonly IndexedRequest[]): { left(): IndexedRequest[] } {
    const open = new Map(rows.map((row) => [row.index, row]));
    /** Ids of a row that this lane has named. */
    const named = new Map<number, number>();
    lane.onTake = (count) => {
      const taken = this.take(count);
      for (const row of taken) open.set(row.index, row);
      lane.giveRows({ kind: 'rows', rows: taken, more: this.hasMore });
    };
    lane.onTokens = (tokens) => {
      for (const [row, ids] of tokens) {
        const from = named.get(row) ?? 0;
        named.set(row, from + ids.length);
        const news = ids.slice(Math.max(0, (this.told[row] as number) - from));
        if (news.length === 0) continue;
        this.told[row] = from + ids.length;
        this.options.onTokens?.(row, news);
      }
    };
    lane.onRow = ({ row, result }) => {
      open.delete(row);
      this.results[row] = result;
      this.options.onRow?.(row, result);
    };
    return { left: () => [...open.values()] };
  }
}

/** Rows of one adapter go to one lane where they can: their products are computed together. */
function byAdapter({ request: a }: IndexedRequest, { request: b }: IndexedRequest): number {
  const [left, right] = [a.adapter ?? '', b.adapter ?? ''];
  return left < right ? -1 : left > right ? 1 : 0;
}
