/** Devices that are lost at any call of generation and training: the work comes to the same bits. */
import { isDeepStrictEqual } from 'node:util';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { ResilientEngine } from '../../src/engine/resilient';
import { readGolden } from '../../tests/engine/golden';
import { doWork } from '../../tests/engine/societyWork';
import { TroubledGpu } from '../../tests/engine/troubledGpu';
import { heldMiB, memoryFigures, residentMiB } from './memory';
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

/** MiB that the program itself may hold more in the end; an engine that is kept takes a fifth of one. */
const MOST_GROWTH_MIB = 4;
const OPTIONS = { maxRows: 3, maxAdapters: 5, maxRank: 8, maxLength: 40 };

export async function soakDeviceLosses({ count, say }: SoakOptions, rng: Rng): Promise<SoakOutcome> {
  const golden = await readGolden('llama');
  const open = (troubled: TroubledGpu) =>
    ResilientEngine.open(async (wanted) => WebGpuEngine.create(troubled.gpu, golden.weights, wanted), OPTIONS, {
      pauses: [0, 0, 0, 0],
      checkpointSteps: 2,
    });
  const work = async (dieAt: readonly number[]) => {
    const troubled = await TroubledGpu.open();
    dieAt.forEach((call) => troubled.dieAt.add(call));
    const engine = await open(troubled);
    try {
      const record = await doWork(engine, golden);
      // Every device but the last was lost.
      return { record, losses: troubled.devices.length - 1, calls: troubled.calls, mismatches: engine.mismatches };
    } finally {
      await engine.dispose();
    }
  };
  const expected = await work([]);
  const held = heldMiB();
  const outcomes: Record<string, number> = { losses: 0, 'pieces of work': 0 };
  const faults: string[] = [];
  const samples: number[] = [];
  let [attempts, longestMs] = [0, 0];
  // Ends: a call that is never reached loses no device, so attempts are counted too.
  while ((outcomes['losses'] as number) < count && attempts < 3 * count + 10) {
    const points = Array.from({ length: 1 + rng.int(2) }, () => 1 + rng.int(expected.calls));
    const began = performance.now();
    attempts++;
    try {
      const { record, losses, mismatches } = await work(points);
      outcomes['losses'] = (outcomes['losses'] as number) + losses;
      if (!isDeepStrictEqual(record, expected.record) || mismatches > 0)
        faults.push(`other results, lost at ${points.join(', ')}`);
    } catch (error) {
      faults.push(`lost at ${points.join(', ')}: ${String(error)}`);
    }
    outcomes['pieces of work'] = attempts;
    longestMs = Math.max(longestMs, performance.now() - began);
    samples.push(residentMiB());
    if (attempts % 10 === 0) say(`device losses: ${outcomes['losses']} of ${count}`);
  }
  const lostWork = faults.length;
  // Tells growth in the program's own heap and buffers from growth below it.
  const heldInTheEnd = heldMiB();
  outcomes['MiB held by the program at first'] = held;
  outcomes['MiB held by the program in the end'] = heldInTheEnd;
  if (heldInTheEnd > held + MOST_GROWTH_MIB) faults.push(`the program held ${held} MiB, then ${heldInTheEnd} MiB`);
  return {
    outcomes,
    attempts,
    lost: lostWork,
    equal: lostWork === 0,
    memory: memoryFigures(samples),
    longestMs: Math.round(longestMs),
    faults,
  };
}
