/** Walking through a chart with the keyboard. */
import { describe, expect, it } from 'vitest';
import type { ChartSeries } from '../../src/ui/charts/types';
import { stepTo } from '../../src/ui/charts/walk';

const series = (id: string, ...xs: number[]): ChartSeries => ({
  id,
  label: id,
  colour: 'red',
  marker: 'circle',
  dash: '',
  points: xs.map((x) => ({ x, y: x })),
});
const drawn = [series('a', 0, 1, 2, 3), series('b', 0, 3), series('c', 2)];

describe('stepTo', () => {
  it('begins at the first series', () => {
    expect(stepTo('ArrowRight', drawn, null)).toEqual({ series: 'a', index: 0 });
    expect(stepTo('End', drawn, null)).toEqual({ series: 'a', index: 3 });
  });

  it('stays within a series', () => {
    expect(stepTo('ArrowRight', drawn, { series: 'b', index: 1 })).toEqual({ series: 'b', index: 1 });
    expect(stepTo('ArrowLeft', drawn, { series: 'b', index: 0 })).toEqual({ series: 'b', index: 0 });
    expect(stepTo('Home', drawn, { series: 'a', index: 2 })).toEqual({ series: 'a', index: 0 });
  });

  it('goes to the nearest point of the next series, round and round', () => {
    expect(stepTo('ArrowDown', drawn, { series: 'a', index: 2 })).toEqual({ series: 'b', index: 1 });
    expect(stepTo('ArrowUp', drawn, { series: 'a', index: 2 })).toEqual({ series: 'c', index: 0 });
    expect(stepTo('ArrowDown', drawn, { series: 'c', index: 0 })).toEqual({ series: 'a', index: 2 });
  });

  it('leaves other keys and empty charts alone', () => {
    expect(stepTo('Tab', drawn, null)).toBeNull();
    expect(stepTo('ArrowRight', [], null)).toBeNull();
  });

  it('begins anew when its series has been hidden', () => {
    expect(stepTo('ArrowRight', drawn.slice(1), { series: 'a', index: 3 })).toEqual({ series: 'b', index: 0 });
  });
});
