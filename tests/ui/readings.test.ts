/** The stage draws texts that were read instead of answered. */
import { expect, it } from 'vitest';
import { indexLog } from '../../src/ui/readings/logIndex';
import { recoveredIn } from '../../src/ui/readings/recovered';
import { restingScene, stageOf } from '../../src/ui/stage/picture';
import { FakeRuntime, logOf, smallConfig } from '../recipes/fakeRuntime';

it('shows the candidates of a problem with the shares that a mixture gave them, and gaps by the methods’ labels', async () => {
  const config = smallConfig({ branch: 'choice', iterations: 1 }, 'ensem-w2s');
  const index = indexLog(await logOf(new FakeRuntime(), config));
  const { agents, marks, learner } = stageOf({ config, index, status: null, scene: restingScene(index) });
  expect(learner.key).toBe('student');
  expect(agents.map(({ first }) => first.text)).toEqual([expect.stringContaining('#'), expect.stringContaining('#')]);
  expect(marks?.reduce((sum, { score = 0 }) => sum + score, 0)).toBeCloseTo(1, 5);
  expect(recoveredIn(index, 1).map(({ student, weak }) => [student, weak])).toEqual([
    ['Student of the ensemble', 'One weak teacher'],
    ['Student of one teacher', 'One weak teacher'],
    ['Student of bagging', 'One weak teacher'],
  ]);
});
