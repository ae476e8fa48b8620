/** The recipe of the tests is drawn by the generic views: no line of the page speaks of it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { register } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Recipe } from '../../src/recipes/types';
import { datasetView } from '../../src/ui/readings/datasets';
import { routesOf } from '../../src/ui/readings/debates';
import { indexLog } from '../../src/ui/readings/logIndex';
import { lossCurves } from '../../src/ui/readings/losses';
import { accuracyByGenerations, accuracyByIteration } from '../../src/ui/readings/results';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';
import { toy } from '../recipes/toy';

const unregister = register(toy as unknown as Recipe);
afterAll(unregister);
let events: RunEvent[];

beforeAll(async () => {
  const few = { trainProblems: 5, evaluationProblems: 4, iterations: 2, branches: 2 };
  events = await logOf(new FakeRuntime(), resolveConfig('arithmetic-tiny', few, toy.id));
});

it('is drawn with its methods, jobs, pairs and fates', () => {
  const index = indexLog(events);
  const labels = accuracyByIteration(index).series.map(({ label }) => label);
  expect(labels).toEqual(['Root, untouched', 'Best leaf, untouched', 'Root', 'Best leaf']);
  expect(accuracyByGenerations(index, 2).series.length).toBeGreaterThan(0);
  expect(lossCurves(index).series.map(({ label }) => label)).toEqual(['grower', 'grower, DPO']);
  const view = datasetView(index, 'grower', 1);
  expect(view?.rows.length).toBeGreaterThan(0);
  const training = index.rows.find(({ debate }) => debate.purpose === 'train' && debate.iteration === 1);
  const routes = routesOf(index, training!.debate).flat();
  expect(routes.length).toBe(3);
  expect(routes.some(({ to }) => to === 'dataset')).toBe(true);
});
