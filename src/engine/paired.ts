/**
 * Two base models behind one engine: an adapter belongs to the first or to the second, and every call goes to the engine that holds its
 * adapter. The untouched first model has no adapter; the untouched second one is an adapter that learnt nothing. Both engines read the
 * same tokens, so a text of one can be learnt by the other.
 */
import { AdapterError, RequestError } from './errors';
import { CALLS, callOn, passingBase, type Answer, type Arguments, type CallName } from './operations';
import type {
  AdapterId,
  Engine,
  EngineInfo,
  EngineReport,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  MemoryPlan,
  ScoreRequest,
  TrainJob,
  TrainStepEvent,
} from './types';

/** Adapters that a call names; null is the first model without any. */
type Named = readonly (AdapterId | null)[];

/** Calls that take texts of several adapters; each text goes to the engine of its own. */
type OfTexts = 'score' | 'embed' | 'reward';

/** Whom a call names that one engine has to answer. */
const NAMED: { [N in Exclude<CallName, OfTexts>]: (args: Arguments<N>) => Named } = {
  grams: ([requests]) => requests.map(({ adapter }) => adapter),
  logits: ([{ adapter }]) => [adapter],
  gradients: ([{ adapter, reference }]) => [adapter, ...(reference ? [reference] : [])],
  optimiserState: ([id]) => [id],
  createAdapter: ([id]) => [id],
  importAdapter: ([id]) => [id],
  exportAdapter: ([id]) => [id],
  copyAdapter: ([from, to]) => [from, to],
  deleteAdapter: ([id]) => [id],
};

export class PairedEngine extends passingBase(CALLS) implements Engine {
  /** @param ofSecond adapters of the second engine, under the names by which they will be made */
  constructor(
    private readonly first: Engine,
    private readonly second: Engine,
    private readonly ofSecond: ReadonlySet<AdapterId>,
  ) {
    super();
  }

  /** Of the first engine. */
  get info(): EngineInfo {
    return this.first.info;
  }

  /** @throws AdapterError for a mixture of adapters of both models, and what the engines throw */
  async generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    const results: GenerateResult[] = [];
    const parted = this.parted(requests, ({ adapter, mixture }) =>
      mixture ? mixture.map((part) => part.adapter) : [adapter],
    );
    for (const { engine, of, at } of parted) {
      const row = (own: number): number => at[own] as number;
      const { onTokens, onRow } = options;
      const found = await engine.generate(of, {
        ...options,
        ...(onTokens && { onTokens: (own, ids) => onTokens(row(own), ids) }),
        ...(onRow && { onRow: (own, result) => onRow(row(own), result) }),
      });
      found.forEach((result, own) => (results[row(own)] = result));
    }
    return results;
  }

  /** @throws AdapterError for a job with adapters of both models, and what the engine throws */
  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    const names = job.tracks.flatMap(({ adapter, reference }) => [adapter, ...(reference ? [reference] : [])]);
    yield* this.engineOf(names).train(job);
  }

  /** A plain call: the engine of its adapter answers it. */
  async pass<N extends CallName>(name: N, args: Arguments<N>): Answer<N> {
    if (name === 'score' || name === 'embed' || name === 'reward')
      return this.ofTexts(name, args[0] as ScoreRequest[]) as Answer<N>;
    const named = NAMED[name as Exclude<CallName, OfTexts>] as unknown as (args: Arguments<N>) => Named;
    return callOn(this.engineOf(named(args)), name, args);
  }

  adapters(): AdapterId[] {
    return [...this.first.adapters(), ...this.second.adapters()];
  }

  /** Bytes of both. */
  plan(): MemoryPlan {
    return addedPlans(this.first.plan(), this.second.plan());
  }

  /** Of the first, with what both lost by rounding. */
  async report(): Promise<EngineReport> {
    const own = await this.first.report?.();
    const other = await this.second.report?.();
    if (!own || !other) throw new RequestError('one of two engines says nothing of how it loaded its model');
    return {
      ...own,
      weightBytes: own.weightBytes + other.weightBytes,
      errors: [...own.errors, ...other.errors],
      cacheSaturated: own.cacheSaturated + other.cacheSaturated,
    };
  }

  async dispose(): Promise<void> {
    await Promise.all([this.first.dispose(), this.second.dispose()]);
  }

  private async ofTexts(name: OfTexts, requests: ScoreRequest[]): Promise<Float32Array | Float32Array[]> {
    const found: unknown[] = [];
    for (const { engine, of, at } of this.parted(requests, ({ adapter }) => [adapter])) {
      const answers: ArrayLike<unknown> = await callOn(engine, name, [of]);
      at.forEach((place, own) => (found[place] = answers[own]));
    }
    return name === 'reward' ? Float32Array.from(found as number[]) : (found as Float32Array[]);
  }

  /** Requests by their engine, with their places. */
  private parted<R>(requests: readonly R[], named: (request: R) => Named): { engine: Engine; of: R[]; at: number[] }[] {
    const parts = [this.first, this.second].map((engine) => ({ engine, of: [] as R[], at: [] as number[] }));
    requests.forEach((request, place) => {
      const engine = this.engineOf(named(request));
      const part = parts.find((one) => one.engine === engine);
      part?.of.push(request);
      part?.at.push(place);
    });
    return parts.filter(({ of }) => of.length > 0);
  }

  /** @throws AdapterError for adapters of both */
  private engineOf(named: Named): Engine {
    const [one, other] = [false, true].map((second) => named.find((id) => second === this.isOfSecond(id)));
    if (one !== undefined && other !== undefined)
      throw new AdapterError(
        `${one ?? 'the base'} and ${other} are of two models, and only adapters of one model go together`,
      );
    return other === undefined ? this.first : this.second;
  }

  private isOfSecond(id: AdapterId | null): boolean {
    return id !== null && this.ofSecond.has(id);
  }
}

/** Two plans as one. */
export function addedPlans<P extends MemoryPlan>(one: P, other: P): P {
  const keys = ['weights', 'kvCache', 'activations', 'adapters', 'optimiser', 'total'] as const;
  return { ...one, ...Object.fromEntries(keys.map((key) => [key, one[key] + other[key]])) };
}
