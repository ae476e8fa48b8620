import { expect, it } from 'vitest';
import { activityText } from '../../src/ui/format';

it('says how far the loading of a model is, and how long it will take once that is known', () => {
  const preparing = { kind: 'preparing', what: 'Loading the model' } as const;
  const text = (doneBytes: number, secondsLeft: number | null) =>
    activityText({ ...preparing, bytes: { doneBytes, totalBytes: 12_600_000, secondsLeft } }, null);
  expect(activityText(preparing, null)).toBe('Loading the model…');
  expect(text(1_200_000, null)).toBe('Loading the model: 1.2 MB of 12.6 MB…');
  expect(text(1_200_000, 75)).toBe('Loading the model: 1.2 MB of 12.6 MB, about 1 min 15 s left…');
});
