/** Agreement beside right answers, test by test: whether a society agrees because it is right. */
import { baseLearnerOf } from '../../log/results';
import type { RunEvent } from '../../events';
import { STOPPED } from '../../recipes/guards';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartPoint, type ChartSeries } from '../charts/types';
import { percent } from '../format';
import type { LogIndex } from './logIndex';
import { SHARE_BARS, sharePoint } from './share';

interface Test {
  iteration: number;
  /** Mean share of the agents that gave the winning first answer. */
  agreement: number;
  /** Of the last vote. */
  right: number;
  n: number;
}

/** Tests of a run's society; iteration 0 is the untouched model's where the society has none of its own. */
export function testsOf({ cast, summary }: LogIndex): Test[] {
  const [headline, reference] = cast.compare[0] ?? [];
  const learner = cast.methods.find(({ key }) => key === headline)?.learner;
  const base = baseLearnerOf(cast);
  const found = (of: string | undefined, method: string | undefined) =>
    summary.flatMap((event: RunEvent): Test[] => {
      if (event.type !== 'evaluation' || event.learner !== of) return [];
      const score = event.scores.find((one) => one.method === method);
      const agreement = event.layers[0]?.consensus;
      return score && agreement !== undefined
        ? [{ iteration: event.iteration, agreement, right: score.right, n: score.n }]
        : [];
    });
  const own = found(learner, headline);
  const start = own.some(({ iteration }) => iteration === 0) ? [] : found(base, reference);
  return [...start.filter(({ iteration }) => iteration === 0), ...own];
}

export function agreementChart(index: LogIndex): ChartData {
  const tests = testsOf(index);
  const line = (n: number, id: string, label: string, point: (test: Test) => Omit<ChartPoint, 'x'>): ChartSeries => ({
    id,
    label,
    ...styleAt(n),
    points: tests.map((test) => ({ x: test.iteration, ...point(test) })),
  });
  return {
    title: 'Agreement and right answers',
    xLabel: 'iteration',
    yLabel: 'share of held-out problems',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    include: [0.4, 1],
    series: [
      line(1, 'agreement', 'agents that agree with the vote', ({ agreement: y }) => ({ y })),
      line(0, 'right', 'votes that are right', ({ right, n }) => sharePoint(right, n)),
    ],
  };
}

/** What happened, in a sentence or two; null before the first test. */
export function collapseText(index: LogIndex): string | null {
  const tests = testsOf(index);
  const [first, last] = [tests[0], tests.at(-1)];
  if (!first || !last) return null;
  const share = ({ right, n }: Test) => right / n;
  const best = tests.reduce((one, other) => (share(other) > share(one) ? other : one));
  const stopped = index.summary.some((event) => event.type === 'measured' && event.name === STOPPED);
  const agreement = `Agreement goes from ${percent(first.agreement, 0)} to ${percent(last.agreement, 0)}.`;
  const right =
    `Right votes go from ${percent(share(first), 0)} to ${percent(share(last), 0)}` +
    (best === last ? '.' : `; they were ${percent(share(best), 0)} after iteration ${best.iteration}.`);
  return `${agreement} ${right}${stopped ? ` The guard ended the run after iteration ${last.iteration}.` : ''}`;
}
