/** Training without an end in sight: one adapter, one short sequence a step, in jobs as runs have them. */
import { createHash } from 'node:crypto';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { DEFAULT_OPTIMISER, type AdapterWeights, type Engine } from '../../src/engine/types';
import { readGolden, type Golden } from '../../tests/engine/golden';
import { memoryFigures, residentMiB } from './memory';
import type { SoakOptions, SoakOutcome } from './result';

const STEPS_A_JOB = 100;

async function train(
  engine: Engine,
  golden: Golden,
  adapter: string,
  steps: number,
  onStep: (ms: number, loss: number) => void,
) {
  const batches = Array.from({ length: steps }, (_, step) => [step % golden.sequences.length]);
  const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-4 };
  const job = { objective: 'sft' as const, tracks: [{ adapter, examples: golden.sequences, batches }], optimiser };
  let began = performance.now();
  for await (const event of engine.train(job)) {
    onStep(performance.now() - began, Math.max(...event.tracks.map(({ loss }) => loss)));
    began = performance.now();
  }
}

function digest({ tensors }: AdapterWeights): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const { data } = tensors.get(name) as { data: Float32Array };
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

export async function soakSteps({ count, say }: SoakOptions): Promise<SoakOutcome> {
  const golden = await readGolden('llama');
  const engine = await WebGpuEngine.create(await openNodeGpu(), golden.weights, {
    maxRows: 2,
    maxAdapters: 2,
    maxRank: 8,
    maxLength: 40,
  });
  const samples: number[] = [];
  const faults: string[] = [];
  let [done, longestMs, lost] = [0, 0, 0];
  let first: string | null = null;
  try {
    await engine.importAdapter('a', golden.adapter);
    while (done < count) {
      const steps = Math.min(STEPS_A_JOB, count - done);
      await train(engine, golden, 'a', steps, (ms, loss) => {
        done++;
        longestMs = Math.max(longestMs, ms);
        if (!Number.isFinite(loss)) faults.push(`step ${done}: the loss is ${loss}`);
      });
      first ??= digest(await engine.exportAdapter('a'));
      samples.push(residentMiB());
      if (done % 1000 === 0) say(`steps: ${done} of ${count}, ${samples.at(-1)} MiB`);
    }
    if (done !== count) lost++;
    // The beginning once more, on the engine as it is now.
    await engine.importAdapter('b', golden.adapter);
    await train(engine, golden, 'b', Math.min(STEPS_A_JOB, count), () => {});
    const again = digest(await engine.exportAdapter('b'));
    return {
      outcomes: { steps: done, jobs: samples.length },
      attempts: done,
      lost,
      equal: again === first,
      memory: memoryFigures(samples),
      longestMs: Math.round(longestMs),
      faults,
    };
  } finally {
    await engine.dispose();
  }
}
