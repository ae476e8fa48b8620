/** Keeps an engine open: repeats operations on a new one when the device is lost, opens a smaller one when memory is short. */
import { describeEngine } from '../describe';
import { DeviceError, DeviceLostError, FixedSizeError, MemoryPlanError, SelfCheckError } from '../errors';
import type { Engine, EngineInfo, EngineOptions, MemoryPlan } from '../types';

/** Something that is no error and worth telling the user. */
export interface EngineNotice {
  kind: 'device-lost' | 'recovered' | 'smaller-plan' | 'exact-arithmetic' | 'saturated' | 'restarted';
  /** One or two sentences for people. */
  message: string;
}

/** Opens an engine without adapters; called again with the same or smaller options after a loss. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;

export interface KeeperParts {
  open: OpenEngine;
  options: EngineOptions;
  /** Milliseconds to wait before each attempt at opening a new engine; there are as many attempts. */
  pauses: readonly number[];
  /** Brings a new engine to where the last one was; resolves with what is to be said about it, perhaps nothing. */
  restore: (engine: Engine) => Promise<string>;
  onNotice: (notice: EngineNotice) => void;
}

/** How an operation is kept going. */
export interface Persistence {
  signal?: AbortSignal | undefined;
  /** Grows as the operation gets on: only losses without progress count against it. */
  progress?: () => number;
  /** Makes the operation smaller, or throws when it cannot be; default: fewer rows at a time. */
  reduce?: (error: MemoryPlanError, engine: Engine) => Promise<void>;
}

/** Rows that engines take when nothing is said. */
const DEFAULT_ROWS = 64;

export class EngineKeeper {
  /** What the engine was opened with: maxRows may be lower than asked for. */
  options: EngineOptions;
  /** New engines that took a lost one's place. */
  recoveries = 0;
  /** null while there is none. */
  engine: Engine | null = null;
  /** Of the last engine. */
  known: { info: EngineInfo; plan: MemoryPlan } | null = null;
  private lost = false;
  private closed = false;

  constructor(private readonly parts: KeeperParts) {
    this.options = parts.options;
  }

  /**
   * Runs an operation, again on a new engine when the device is lost, until it ends or nothing helps.
   * @throws what the operation throws; DeviceLostError after too many losses without progress; what opening throws
   */
  async persist<T>(operation: (engine: Engine) => Promise<T>, how: Persistence = {}): Promise<T> {
    let reached = how.progress?.();
    let losses = 0;
    for (;;) {
      const engine = this.engine ?? (await this.open(how.signal));
      try {
        return await operation(engine);
      } catch (error) {
        if (error instanceof MemoryPlanError) await (how.reduce ?? this.fewerRows)(error, engine);
        else if (error instanceof DeviceLostError) {
          await this.abandon(engine);
          this.lost = true;
          const now = how.progress?.();
          losses = now === reached ? losses + 1 : 1;
          reached = now;
          if (losses > this.parts.pauses.length) throw error;
          this.notice('device-lost', `${sentence(error.message)} A new one is being opened.`);
        } else throw error;
      }
    }
  }

  /** Opens an engine that is where the last one was. @throws the last attempt's error */
  async open(signal?: AbortSignal): Promise<Engine> {
    let failure: unknown;
    for (const milliseconds of this.parts.pauses) {
      await pause(milliseconds, signal);
      if (this.closed) throw new DeviceError('the engine was closed');
      try {
        return await this.attempt();
      } catch (error) {
        failure = error;
        // What cannot be opened in the first place will not be opened by waiting; what never fits, neither.
        const hopeless = this.known === null && !(error instanceof DeviceLostError);
        if (hopeless || error instanceof MemoryPlanError) break;
      }
    }
    throw failure;
  }

  /** Gives an engine up; a new one is opened when it is needed. */
  async abandon(engine: Engine): Promise<void> {
    if (this.engine === engine) this.engine = null;
    await engine.dispose().catch(() => {});
  }

  async close(): Promise<void> {
    this.closed = true;
    const { engine } = this;
    this.engine = null;
    await engine?.dispose();
  }

  notice(kind: EngineNotice['kind'], message: string): void {
    this.parts.onNotice({ kind, message });
  }

  private async attempt(): Promise<Engine> {
    for (;;) {
      const engine = await this.openFitting();
      try {
        if (this.known && engine.info.kind !== this.known.info.kind) {
          throw new DeviceLostError(`the GPU device was lost and there is only the ${engine.info.kind} engine now`);
        }
        const remark = await this.parts.restore(engine);
        const change = this.known ? changeOf(this.known.info, engine.info) : '';
        this.engine = engine;
        this.known = { info: engine.info, plan: engine.plan() };
        if (this.lost) this.recovered([change, remark]);
        return engine;
      } catch (error) {
        await this.abandon(engine);
        if (!(error instanceof MemoryPlanError)) throw error;
        await this.fewerRows(error);
      }
    }
  }

  private recovered(remarks: readonly string[]): void {
    this.lost = false;
    this.recoveries++;
    const words = 'The GPU was lost; recovered from the last checkpoint, nothing of the log is lost.';
    this.notice('recovered', [words, ...remarks].filter((remark) => remark !== '').join(' '));
  }

  /**
   * Opens an engine with as many rows as fit, in f32 where f16 comes out wrong and nobody asked for it.
   * @throws MemoryPlanError when not one row fits, SelfCheckError when f32 comes out wrong too
   */
  private async openFitting(): Promise<Engine> {
    for (;;) {
      try {
        return await this.parts.open({ ...this.options });
      } catch (error) {
        if (error instanceof SelfCheckError) this.exactArithmetic(error);
        else if (error instanceof MemoryPlanError) await this.fewerRows(error);
        else throw error;
      }
    }
  }

  private exactArithmetic(error: SelfCheckError): void {
    if (error.arithmetic === 'f32' || (this.options.arithmetic ?? 'auto') !== 'auto') throw error;
    this.options = { ...this.options, arithmetic: 'f32' };
    this.notice(
      'exact-arithmetic',
      'This GPU or its driver does not compute the model correctly in f16. Going on in f32: slower, and with more memory for keys and values.',
    );
  }

  /** Halves the rows decoded together: results stay the same, keys and values take half. @throws MemoryPlanError */
  private readonly fewerRows = async (error: MemoryPlanError): Promise<void> => {
    if (error instanceof FixedSizeError) throw error;
    const rows = this.options.maxRows ?? DEFAULT_ROWS;
    if (rows <= 1) {
      const format = this.options.dtype === 'int4' ? 'a smaller model' : 'weights as int4 (dtype) or a smaller model';
      throw new MemoryPlanError(
        `not even one row at a time (maxRows 1) fits the device: ${error.message}. Shorter sequences (maxLength), ${format} need less.`,
        { cause: error },
      );
    }
    this.options = { ...this.options, maxRows: Math.floor(rows / 2) };
    this.notice(
      'smaller-plan',
      `${sentence(error.message)} Going on with ${this.options.maxRows} instead of ${rows} rows at a time: slower, with the same results.`,
    );
    if (this.engine) await this.abandon(this.engine);
  };
}

/** What is to be said where a new engine is not what the one before was. */
function changeOf(before: EngineInfo, now: EngineInfo): string {
  const [old, other] = [describeEngine(before), describeEngine(now)];
  if (old === other) return '';
  return `Until then it was computed on ${old}; what follows is computed on ${other}, so it need not repeat bit for bit.`;
}

/** An error's message as a sentence. */
export function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** @throws the signal's reason */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (milliseconds === 0) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end);
  });
  signal?.throwIfAborted();
}
