import { expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { EMPTY_SEAT, KINDS, seatedNames, seatsOf, textOf } from '../../src/ui/seatRows';
import { RUNTIME_KINDS } from '../../src/recipes/seats';

it('reads and writes the setting as rows', () => {
  const seats = ['2=transformers:stored:org/name@0f#webgpu/q4', 'verifier=endpoint:http://127.0.0.1:8000/v1#a=b:c'];
  expect(seatsOf(seats)).toEqual([
    { who: '2', kind: 'transformers', model: 'stored:org/name@0f#webgpu/q4' },
    { who: 'verifier', kind: 'endpoint', model: 'http://127.0.0.1:8000/v1#a=b:c' },
  ]);
  expect(seatsOf(seats).map(textOf)).toEqual(seats);
});

it('offers an example of every kind that the setting takes', () => {
  for (const kind of RUNTIME_KINDS) {
    const seats = textOf({ ...EMPTY_SEAT, kind, model: KINDS[kind].example });
    expect(resolveConfig('arithmetic-tiny', { seats }).seats).toEqual([seats]);
  }
});

it('names the runtimes of seats once, and nothing that is none', () => {
  const seats = [
    '2=endpoint:http://127.0.0.1:8000/v1/#m',
    '3=endpoint:http://127.0.0.1:8000/v1/#m',
    '4=web-llm:',
    '5=x:y',
  ];
  expect(seatedNames(seats)).toEqual(['endpoint:http://127.0.0.1:8000/v1/#m']);
});
