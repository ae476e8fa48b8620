/** An adapter trains to the same bits whatever the order of its tensors in the file that it came from. */
import { expect, it } from 'vitest';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { DEFAULT_OPTIMISER, type AdapterWeights, type TrainStepEvent } from '../../src/engine/types';
import { hashAdapter } from '../../src/log/digest';
import { readGolden } from './golden';

it('imports tensors in any order', async () => {
  const golden = await readGolden('llama');
  const trained = async (tensors: AdapterWeights['tensors']) => {
    const engine = await ReferenceEngine.create(golden.weights, { maxAdapters: 1, maxRank: 8 });
    await engine.importAdapter('a', { ...golden.adapter, tensors });
    const batches = [[0], [0], [0]];
    const tracks = [{ adapter: 'a', examples: golden.sequences, batches }];
    const steps: TrainStepEvent[] = [];
    for await (const step of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) steps.push(step);
    return { steps, hash: hashAdapter(await engine.exportAdapter('a')) };
  };
  const entries = [...golden.adapter.tensors];
  const expected = await trained(new Map(entries));
  expect(await trained(new Map(entries.toReversed()))).toEqual(expected);
  expect(await trained(new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))))).toEqual(expected);
});
