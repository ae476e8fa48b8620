/** Bases pretrained from different seeds: each is one observation, the mean of its runs. */
import { smallestSeen } from '../../src/society/power';
import { holm, spreadOf } from '../../src/society/statistics';
import { p, percent, points, row, runsOf, WHO, withSpread, type Committed } from './tables';

/** A base, and the comparison that was played on it. */
export interface OnBase {
  /** Seed of its pretraining. */
  seed: number;
  from: Committed;
}

const SOCIETY = 'equal-steps/societyMajority';

/** Methods that were played on every base. */
const played = (on: readonly OnBase[]) =>
  WHO.filter(({ method }) => on.every(({ from }) => runsOf(from, method).length > 0));

/** Share of right answers by run. @throws Error where the method was not played with each seed of the comparison */
function shares(from: Committed, method: string): number[] {
  const runs = runsOf(from, method);
  if (runs.length !== from.seeds.length) throw new Error(`${method} has ${runs.length} of ${from.seeds.length} seeds`);
  return runs.map(({ right, n }) => right / n);
}

const mean = (values: readonly number[]): number => spreadOf(values).mean;

/** Right answers of the majority of three: mean of a base's runs ± their standard deviation, then mean and deviation of the bases. */
export function bases(on: readonly OnBase[]): string {
  return [
    row('method', ...on.map(({ seed }) => `base ${seed}`), 'all bases'),
    row('---', ...on.map(() => '---:'), '---:'),
    ...played(on).map(({ method, name }) =>
      row(
        name,
        ...on.map(({ from }) => withSpread(shares(from, method))),
        withSpread(on.map(({ from }) => mean(shares(from, method)))),
      ),
    ),
  ].join('\n');
}

/** The society minus each other method by base, and over the bases: Student's t, p alone and adjusted over the rows (Holm). */
export function basesDifferences(on: readonly OnBase[]): string {
  const others = played(on).filter(({ method }) => method !== SOCIETY);
  const compared = others.map(({ method, name }) => {
    const each = on.map(({ from }) => mean(shares(from, SOCIETY)) - mean(shares(from, method)));
    return { name, each, spread: spreadOf(each) };
  });
  const adjusted = holm(compared.map(({ spread }) => spread.p ?? 1));
  const head = ['all bases', '95 %, another base', 'p', 'p, adjusted', 'resolves'];
  return [
    row('society minus', ...on.map(({ seed }) => `base ${seed}`), ...head),
    row('---', ...on.map(() => '---:'), ...head.map(() => '---:')),
    ...compared.map(({ name, each, spread: { mean: by, deviation, interval, p: chance, runs } }, at) => {
      const resolves = smallestSeen(deviation, runs);
      return row(
        name,
        ...each.map(points),
        points(by),
        interval === null ? '' : interval.map(points).join(' to '),
        chance === null ? '' : p(chance),
        chance === null ? '' : p(adjusted[at] as number),
        resolves === null ? '' : percent(resolves),
      );
    }),
  ].join('\n');
}
