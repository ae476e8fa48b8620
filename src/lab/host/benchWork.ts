/** The bench worker's side of the Bench view: makes an engine of its own for a model, measures it, and tells of it over a port. */
import type { About, MeasureRequest } from '../../bench/result';
import { benchOptions, type Speed } from '../../bench/measure';
import { measureAll } from '../../bench/result';
import type { Measurement } from '../../bench/deviceFile';
import type { Ceilings } from '../../bench/roofline';
import type { Engine, ModelConfig, WeightDtype } from '../../engine/types';
import type { ModelFolder } from '../../models/folder';
import { addFolder } from '../../models/source';
import type { EngineSetup, MadeEngine } from './engineHost';

/** Rows that decode together, and the rank of the adapters. */
export const BENCH_ROWS = [1, 8, 24] as const;
const RANK = 8;
/** Repetitions of a measurement at most; the quickest counts. */
const REPEAT = 3;

export interface BenchRequest {
  /** As `EngineSetup`. */
  model: string;
  ignore: readonly string[];
  /** Of a model that lies in a folder which the visitor chose. */
  folder?: ModelFolder;
  /** For people, and for the file. */
  name: string;
  engine: 'webgpu' | 'exact';
  dtype: WeightDtype;
  /** Seconds for each measurement, about. */
  budget: number;
}

/** What the worker tells while it measures. */
export type BenchMessage =
  { type: 'doing'; what: string } | { type: 'about'; about: About } | { type: 'speed'; speed: Speed };

export interface BenchWorkApi {
  /** @param port hears of it (`BenchMessage`) */
  measure(request: BenchRequest, port: MessagePort): Promise<Measurement>;
}

/** What the worker has. */
export interface BenchParts {
  readConfig(model: string, ignore: readonly string[]): Promise<ModelConfig>;
  make(setup: EngineSetup): Promise<MadeEngine>;
  /** Threads of the exact engine. */
  threads: number;
  /** Ceilings of the device that computes. */
  ceilings(engine: Engine, dtype: WeightDtype, budget: number): Promise<Ceilings>;
}

export function createBenchWork({ readConfig, make, threads, ceilings }: BenchParts): BenchWorkApi {
  return {
    async measure({ model, ignore, folder, name, engine: choice, dtype, budget }, port) {
      const tell = (message: BenchMessage): void => port.postMessage(message);
      tell({ type: 'doing', what: 'Loading the model' });
      if (folder) addFolder(folder);
      const { maxPositions } = await readConfig(model, ignore);
      const options = { ...benchOptions(maxPositions, BENCH_ROWS, RANK), dtype };
      const made = await make({ model, ignore, choice, options });
      const { engine } = made;
      try {
        const isExact = engine.info.kind === 'exact';
        tell({ type: 'doing', what: 'Measuring what the device can do at most' });
        const request: MeasureRequest = {
          engine,
          model: name,
          hash: made.hash,
          threads: isExact ? threads : null,
          dtype,
          rank: RANK,
          rows: BENCH_ROWS,
          budget,
          repeat: REPEAT,
          ceilings: await ceilings(engine, dtype, budget / 2),
        };
        tell({ type: 'doing', what: 'Measuring the engine' });
        return await measureAll(request, {
          onAbout: (about) => tell({ type: 'about', about }),
          onSpeed: (speed) => tell({ type: 'speed', speed }),
        });
      } finally {
        await engine.dispose();
        port.close();
      }
    },
  };
}
