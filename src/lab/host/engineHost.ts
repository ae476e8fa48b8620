/**
 * The engine worker's side: owns the engine and executes what `RemoteEngine` asks over Comlink. What a plain call cannot
 * carry (tokens while they are sampled, training steps, aborting) goes over a message port that comes with the call.
 */
import {
  callOn,
  CALLS,
  operation,
  passedOn,
  type Answer,
  type Arguments,
  type CallName,
} from '../../engine/operations';
import type {
  Engine,
  EngineInfo,
  EngineOptions,
  EngineReport,
  GenerateRequest,
  GenerateResult,
  MemoryPlan,
  TrainJob,
  TrainStepEvent,
} from '../../engine/types';
import { SaturationWatch } from '../../engine/saturation';
import { RecentSpeed } from '../../models/progress';
import { addFolder } from '../../models/source';
import type { ModelFolder } from '../../models/folder';
import type { EngineNotice } from '../../engine/resilient';
import { NO_PULSE, type Pulse } from '../../supervision';
import { LabStateError } from '../errors';
import { carryTypedErrors } from './remoteErrors';
import type { EngineChoice, EngineSummary } from '../types';

/** What to make ready: the model's address and what for. */
export interface EngineSetup {
  /** See `openModel` in src/models: a web address, `stored:<id>` or `folder:<name>`. */
  model: string;
  /** Keys of its config.json that are left out; absent = none. */
  ignore?: readonly string[];
  choice: EngineChoice;
  options: EngineOptions;
  /** A second base model on an engine of the same kind; absent = none. */
  second?: { model: string; options: EngineOptions; /** Names of its adapters. */ adapters: readonly string[] };
}

export interface ReadyEngine {
  info: EngineInfo;
  /** sha-256 of the model's weight files, hex. */
  hash: string;
  /** The same of the second base model. */
  secondHash?: string;
  plan: MemoryPlan;
  /** What was found out while loading; null of engines that have nothing to say. */
  report: EngineReport | null;
  /** Why the exact engine was chosen and not WebGPU; null where it was not. */
  fallbackReason: string | null;
  /** There is a GPU, and a trial gave the reason. */
  measured?: boolean;
}

export interface MadeEngine {
  engine: Engine;
  hash: string;
  secondHash?: string;
  fallbackReason: string | null;
  measured?: boolean;
}

/** How much of a model has been read, in bytes of its weight files. */
export interface ReadBytes {
  doneBytes: number;
  totalBytes: number;
}

/** The same as the page is told it. */
export interface LoadProgress extends ReadBytes {
  /** Of the reading, at the speed of the last seconds; null while too little is known, and when all is read. */
  secondsLeft: number | null;
}

/** Tokens of several rows since the last message, in order. */
export type TokenMessage = { tokens: [row: number, ids: number[]][] };
/** From the host while training. */
export type StepMessage = { step: TrainStepEvent };
/** To the host: abort the operation; while training also: the step was received, go on (`next`) or end (`leave`). */
export type ControlMessage = 'abort' | 'next' | 'leave';

/** What a worker does for `RemoteEngine`: every plain call of an engine (`src/engine/operations.ts`), and what needs a port. */
export interface EngineHostApi extends Pick<Engine, CallName> {
  /** What this device would be used as, without loading anything. */
  probe(): Promise<EngineSummary>;
  /** @param port hears of the loading (`LoadProgress`) */
  open(setup: EngineSetup, port?: MessagePort): Promise<ReadyEngine>;
  /** The port hears what is no error (`EngineNotice`), of every engine from now on, instead of a port before. */
  watch(port: MessagePort): Promise<void>;
  /** Makes a folder known that a set-up can name from then on, until the page is reloaded. */
  addFolder(folder: ModelFolder): Promise<void>;
  /** Tokens of the first `watchRows` rows are passed on while they are sampled. */
  generate(requests: GenerateRequest[], port: MessagePort, watchRows: number): Promise<GenerateResult[]>;
  train(job: Omit<TrainJob, 'signal'>, port: MessagePort): Promise<void>;
  close(): Promise<void>;
}

/** How often tokens and bytes are passed on, so that a fast device does not flood the page. */
const REPORT_INTERVAL_MS = 100;

/**
 * @param probe see `EngineHostApi.probe`
 * @param make loads a model and makes an engine for it; called again only when another set-up is asked for
 * @param pulse hears of all that gets done
 */
export function createEngineHost(
  probe: () => Promise<EngineSummary>,
  make: (
    setup: EngineSetup,
    onProgress: (progress: ReadBytes) => void,
    onNotice: (notice: EngineNotice) => void,
  ) => Promise<MadeEngine>,
  pulse: Pulse = NO_PULSE,
): EngineHostApi {
  carryTypedErrors();
  let current: { key: string; models: string[]; made: MadeEngine; saturation: SaturationWatch } | null = null;
  let watcher: MessagePort | null = null;

  const engine = (): Engine => {
    if (!current) throw new LabStateError('The engine has not been opened.');
    return current.made.engine;
  };

  const call = async <N extends CallName>(name: N, args: Arguments<N>): Answer<N> => {
    try {
      return await callOn(engine(), name, args);
    } finally {
      if (operation(name).stores) await current?.saturation.look();
    }
  };

  const close = async () => {
    const closing = current;
    current = null;
    await closing?.made.engine.dispose();
  };

  return {
    ...passedOn(CALLS, call),
    probe,

    async open(setup, port) {
      const key = JSON.stringify(setup);
      if (current?.key !== key) {
        // First the old one goes: two models may not fit the device.
        await close();
        try {
          const made = await make(setup, reporter(port, pulse), (notice) => watcher?.postMessage(notice));
          const tell = (message: string) => watcher?.postMessage({ kind: 'saturated', message } satisfies EngineNotice);
          const models = [setup.model, ...(setup.second ? [setup.second.model] : [])];
          current = { key, models, made, saturation: new SaturationWatch(made.engine, tell) };
        } finally {
          port?.close();
        }
      }
      const { made, saturation } = current as NonNullable<typeof current>;
      for (const id of made.engine.adapters()) await made.engine.deleteAdapter(id);
      await saturation.begin();
      return {
        info: made.engine.info,
        hash: made.hash,
        ...(made.secondHash !== undefined && { secondHash: made.secondHash }),
        plan: made.engine.plan(),
        report: (await made.engine.report?.()) ?? null,
        fallbackReason: made.fallbackReason,
        ...(made.measured && { measured: true }),
      };
    },

    async generate(requests, port, watchRows) {
      const abort = new AbortController();
      port.onmessage = (event: MessageEvent<ControlMessage>) => {
        if (event.data === 'abort') abort.abort();
      };
      let waiting: TokenMessage['tokens'] = [];
      let last = 0;
      const pass = () => {
        if (waiting.length > 0) port.postMessage({ tokens: waiting } satisfies TokenMessage);
        waiting = [];
        last = performance.now();
      };
      const onTokens = (row: number, ids: number[]) => {
        pulse.worked();
        if (row >= watchRows) return;
        waiting.push([row, ids]);
        if (performance.now() - last >= REPORT_INTERVAL_MS) pass();
      };
      try {
        return await engine().generate(requests, { signal: abort.signal, onTokens });
      } finally {
        await current?.saturation.look();
        port.close();
      }
    },

    async train(job, port) {
      const abort = new AbortController();
      let answer: (go: boolean) => void = () => {};
      port.onmessage = (event: MessageEvent<ControlMessage>) => {
        if (event.data === 'abort') abort.abort();
        answer(event.data === 'next');
      };
      try {
        for await (const step of engine().train({ ...job, signal: abort.signal })) {
          const goOn = new Promise<boolean>((resolve) => (answer = resolve));
          port.postMessage({ step } satisfies StepMessage);
          // The lab may hold the run here for as long as it likes.
          const goesOn = pulse.rest();
          const next = await goOn;
          goesOn();
          if (!next) break;
        }
      } finally {
        port.close();
      }
    },

    async watch(port) {
      watcher?.close();
      watcher = port;
    },

    async addFolder(folder) {
      // Another folder of the same name has other weights.
      const address = addFolder(folder);
      if (current?.models.includes(address)) await close();
    },

    close,
  };
}

/** Tells the port of the loading, at most some times a second. */
function reporter(port: MessagePort | undefined, pulse: Pulse): (progress: ReadBytes) => void {
  let speed: RecentSpeed | null = null;
  let last = -Infinity;
  return ({ doneBytes, totalBytes }) => {
    pulse.worked();
    const now = performance.now();
    if (now - last < REPORT_INTERVAL_MS && doneBytes < totalBytes) return;
    last = now;
    // Reading begins some time after the engine was asked for.
    speed ??= new RecentSpeed(now, doneBytes);
    const perSecond = speed.measure(now, doneBytes);
    const secondsLeft = perSecond === null || doneBytes >= totalBytes ? null : (totalBytes - doneBytes) / perSecond;
    port?.postMessage({ doneBytes, totalBytes, secondsLeft } satisfies LoadProgress);
  };
}
