/** The bench worker: measures this device with an engine of its own. Started when the Bench view is asked to measure. */
import { onWork } from '../src/engine/work';
import { createRuntimesWork } from '../src/lab/bench/runtimesWork';
import { createBenchWork } from '../src/lab/host/benchWork';
import { openModel } from '../src/models/source';
import { Heart, serve } from '../src/supervision';
import { browserWorkers } from './exactLanes';
import { make } from './makeEngine';
import { loadTokenizer, voiceOpeners } from './seatParts';

const heart = new Heart();
onWork(() => heart.worked());
const threads = browserWorkers()?.count ?? 1;

const runtimes = createRuntimesWork({
  make: (setup) =>
    make(
      setup,
      () => heart.worked(),
      () => {},
    ),
  openModel,
  loadTokenizer,
  voices: voiceOpeners,
  worked: () => heart.worked(),
});

serve(
  Object.assign(
    runtimes,
    createBenchWork({
      threads,
      async readConfig(model, ignore) {
        const { readConfig } = await import('../src/engine/stream');
        return readConfig(await openModel(model), { ignore });
      },
      make: (setup) =>
        make(
          setup,
          () => heart.worked(),
          () => {},
        ),
      async ceilings(engine, dtype, budget) {
        if (engine.info.kind === 'exact') {
          const { measureCoreCeilings } = await import('../src/bench/coreCeilings');
          return measureCoreCeilings(threads, budget);
        }
        const { measureGpuCeilings } = await import('../src/bench/gpuCeilings');
        return measureGpuCeilings(navigator.gpu, dtype, budget);
      },
    }),
  ),
  heart,
  self,
);
