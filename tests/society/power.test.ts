import { expect, it } from 'vitest';
import { smallestSeen, studentT } from '../../src/society/power';

it.each([
  // Tables of Student's t: two-sided levels 5 % and 40 %.
  [0.05, 1, 12.706],
  [0.05, 4, 2.776],
  [0.05, 9, 2.262],
  [0.4, 1, 1.376],
  [0.4, 4, 0.941],
  [0.01, 4, 4.604],
])('t of level %s at %s degrees of freedom is %s', (level, freedom, t) =>
  expect(studentT(level, freedom)).toBeCloseTo(t, 3),
);

it('is (2.776 + 0.941) · s / √5 for five seeds, and nothing for one', () => {
  expect(smallestSeen(0.05, 5)).toBeCloseTo((3.717 * 0.05) / Math.sqrt(5), 4);
  expect(smallestSeen(0, 5)).toBe(0);
  expect([smallestSeen(null, 5), smallestSeen(0.05, 1)]).toEqual([null, null]);
});
