/**
 * An interval for the difference of two shares on the same problems that goes with the exact McNemar test, also where the two disagree on
 * few problems or on none.
 */
import { betaBelow, betaQuantile, betaTable } from './incompleteBeta';

/** Of each tail. */
const TAIL = 0.025;
/** Cells of the numeric integral, and standard deviations that they reach to either side. */
const CELLS = 80;
const REACH = 9;

const known = new Map<string, [number, number]>();

/**
 * 95 % interval for (first right − second right)/n by Fay and Lumbard, "Confidence intervals for difference in proportions for matched
 * pairs compatible with exact McNemar's or sign tests", Statistics in Medicine 40 (2021) 1147–1159. The difference is T·(2B − 1): T is the
 * share of problems on which the two disagree, B the share of these that the first has right. Each has the confidence distributions of
 * its exact (Clopper–Pearson) interval, which are beta distributions; the ends are quantiles of the product. The interval leaves 0 out
 * exactly where McNemar's exact p is below 0.05.
 * @param n problems, above 0; @param onlyFirst, onlySecond those that one alone has right
 */
export function pairedInterval(n: number, onlyFirst: number, onlySecond: number): [number, number] {
  const key = `${n} ${onlyFirst} ${onlySecond}`;
  let found = known.get(key);
  if (!found) {
    const apart = onlyFirst + onlySecond;
    found = [lowerEnd(n, apart, onlyFirst), 0 - lowerEnd(n, apart, onlySecond)];
    known.set(key, found);
  }
  return [...found];
}

/** @param apart problems on which the two disagree, @param ahead of which those in favour of the one whose lead is bounded from below */
function lowerEnd(n: number, apart: number, ahead: number): number {
  // B's lower distribution lies at 0: the whole end comes from T.
  if (ahead === 0) return apart === n ? -1 : -betaQuantile(1 - TAIL, apart + 1, n - apart);
  const [a, b] = [ahead, apart - ahead + 1];
  const below = betaBelow(0.5, a, b);
  if (below >= TAIL) {
    // The end is not above 0, and the larger distribution of T takes it further down.
    if (apart === n) return 2 * betaQuantile(TAIL, a, b) - 1;
    const shareBelow = betaTable(apart + 1, n - apart);
    const cells = cellsOf(a, b, 0, 0.5);
    const beyond = (x: number) =>
      cells.reduce((sum, { mass, at }) => sum + mass * (1 - shareBelow(x / (1 - 2 * at))), 0);
    return -crossing((x) => beyond(x) - TAIL);
  }
  const share = betaTable(apart, n - apart + 1);
  const cells = cellsOf(a, b, 0.5, 1);
  const upTo = (x: number) => below + cells.reduce((sum, { mass, at }) => sum + mass * share(x / (2 * at - 1)), 0);
  return crossing((x) => TAIL - upTo(x));
}

/** The mass of Beta(a, b) between two bounds, in cells with their middles. */
function cellsOf(a: number, b: number, from: number, to: number): { mass: number; at: number }[] {
  const mean = a / (a + b);
  const deviation = Math.sqrt((mean * (1 - mean)) / (a + b + 1));
  const low = Math.max(from, Math.min(to, mean - REACH * deviation));
  const high = Math.min(to, Math.max(from, mean + REACH * deviation));
  const edge = (cell: number) => low + ((high - low) * cell) / CELLS;
  let before = betaBelow(low, a, b);
  return Array.from({ length: CELLS }, (_, cell) => {
    const upTo = betaBelow(edge(cell + 1), a, b);
    const mass = upTo - before;
    before = upTo;
    return { mass, at: (edge(cell) + edge(cell + 1)) / 2 };
  }).filter(({ mass }) => mass > 1e-15);
}

/**
 * Where a function that falls over [0, 1] from at least 0 to below 0 crosses 0: false position by the Illinois rule, which takes some ten
 * evaluations where bisection takes twenty-five.
 */
function crossing(fall: (x: number) => number): number {
  let [low, high] = [0, 1];
  let [atLow, atHigh] = [fall(low), fall(high)];
  if (atLow <= 0) return 0;
  for (let step = 0; step < 60 && high - low > 1e-7; step++) {
    // Illinois' halving keeps both ends moving; where it does not, a plain halving of the interval helps.
    const x = step % 4 === 3 ? (low + high) / 2 : low + ((high - low) * atLow) / (atLow - atHigh);
    const at = fall(x);
    if (Math.abs(at) < 1e-9) return x;
    if (at > 0) {
      [low, atLow] = [x, at];
      atHigh /= 2;
    } else {
      [high, atHigh] = [x, at];
      atLow /= 2;
    }
  }
  return (low + high) / 2;
}
