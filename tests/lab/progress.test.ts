/** What a run is doing, read from its log. */
import { expect, it } from 'vitest';
import { ProgressMeter } from '../../src/lab/progress/meter';
import { resolveConfig } from '../../src/recipes/resolve';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';

it('counts problems anew where a recipe goes through them twice, and never more than there are', async () => {
  const config = { ...resolveConfig('arithmetic-tiny', {}, 'debate'), evaluationProblems: 4 };
  const meter = new ProgressMeter(config);
  const done: number[] = [];
  for (const event of await logOf(new FakeRuntime(), config)) {
    meter.add(event);
    const { activity } = meter;
    if (event.type === 'episode' && activity?.kind === 'debate') done.push(activity.problemsDone);
  }
  // Debates, then samples at equal calls.
  expect(done).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
});
