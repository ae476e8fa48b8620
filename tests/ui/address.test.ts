/** Addresses of views. */
import { expect, it } from 'vitest';
import { hashOf, placeAt, type ViewPlace } from '../../src/ui/address';
import { GOLDEN_LINKS } from '../share/goldenLinks';

const PLACES: ViewPlace[] = [
  { tab: 'lab', run: null, detail: null },
  { tab: 'lab', run: '0b9a-11', detail: null },
  { tab: 'runs', run: null, detail: null },
  { tab: 'bench', run: null, detail: null },
  { tab: 'course', run: null, detail: 'reading' },
  { tab: 'debates', run: '0b9a-11', detail: 'train/society/1/897485' },
  { tab: 'debates', run: '0b9a-11', detail: 'train/a learner?#/1/2' },
];

it.each(PLACES)('$tab of $run, $detail comes back from its address', (place) => {
  expect(placeAt(hashOf(place))).toEqual(place);
});

it('the start has no fragment', () => {
  expect(hashOf(PLACES[0]!)).toBe('');
  expect(placeAt('')).toEqual(PLACES[0]);
  expect(placeAt('#')).toEqual(PLACES[0]);
});

it('a link is passed on as it is', () => {
  expect(placeAt(GOLDEN_LINKS.settings)).toEqual({ link: GOLDEN_LINKS.settings.slice(1) });
});

it.each([
  '#/telepathy',
  '#lab',
  '#/debates/../../etc',
  '#/debates/a b',
  '#/debates/%/1',
  `#/debates/x/${'y'.repeat(600)}`,
])('%.30s is no place', (hash) => expect(placeAt(hash)).toBeNull());
