/** An engine that is lost at a chosen moment: before or after any operation, between two tokens, before or after any step. */
import { DeviceLostError } from '../../src/engine/errors';
import { callOn, CALLS, passedOn, type CallName, type PassOn } from '../../src/engine/operations';
import type { Engine, GenerateOptions, GenerateRequest, TrainJob, TrainStepEvent } from '../../src/engine/types';

/** Counts moments over all engines of a test. */
export class Fate {
  moment = 0;
  /** Moments at which the engine in use is lost. */
  readonly fatal = new Set<number>();
  /** Of all engines, in order: what was asked of them. */
  readonly trained: TrainJob[] = [];
  readonly generated: GenerateRequest[][] = [];
  disposed = 0;
}

export function mortal(engine: Engine, fate: Fate): Engine {
  let dead = false;
  const moment = (): void => {
    if (fate.fatal.has(++fate.moment)) dead = true;
    if (dead) throw new DeviceLostError('the GPU device was lost (for the test)');
  };
  /** What was done may be done, and yet nobody hears of it. */
  const around = async <T>(operation: () => Promise<T>): Promise<T> => {
    moment();
    const result = await operation();
    moment();
    return result;
  };
  async function* train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    fate.trained.push(job);
    moment();
    for await (const event of engine.train(job)) {
      moment();
      yield event;
      moment();
    }
  }
  const generate = (requests: GenerateRequest[], options: GenerateOptions = {}): ReturnType<Engine['generate']> => {
    fate.generated.push(requests);
    return around(() =>
      engine.generate(requests, {
        ...options,
        onTokens: (row, ids) => {
          options.onTokens?.(row, ids);
          moment();
        },
        onRow: (row, result) => {
          moment();
          options.onRow?.(row, result);
        },
      }),
    );
  };
  const call: PassOn<CallName> = (name, args) => around(() => callOn(engine, name, args));
  return {
    ...passedOn(CALLS, call),
    info: { ...engine.info, kind: 'webgpu' },
    generate,
    train,
    adapters: () => engine.adapters(),
    plan: () => engine.plan(),
    dispose: async () => {
      fate.disposed++;
      await engine.dispose();
    },
  };
}
