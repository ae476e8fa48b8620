/** Two rounds: all methods that read each other's answers, and critics on and off (adapters of their own for revisions, or generators that revise). */
import { across, afterReading, agentOf, count, difference, row, WHO, withSpread, type Committed } from './tables';

/** A society with critics and one without, on the same problems. */
export interface Critics {
  start: string;
  on: Committed;
  /** null where it was not played. */
  off: Committed | null;
}

const SOCIETY = 'equal-steps/societyDebate';
const HEAD = ['one agent', 'vote of first answers', 'vote after reading', 'training tokens', 'generations'];

/** Every method with two rounds: mean over seeds ± their standard deviation, in percent. */
export function twoRounds(from: Committed): string {
  return [
    row('method', 'seeds', ...HEAD),
    row('---', '---:', ...HEAD.map(() => '---:')),
    ...WHO.filter(({ learner }) => from.learners.some(({ key }) => key === learner)).map(({ learner, method, name }) =>
      rowOf([name], from, learner, method, afterReading(method)),
    ),
  ].join('\n');
}

/** Mean over seeds ± their standard deviation, in percent. */
export function critics(starts: readonly Critics[]): string {
  const lines = [row('start', 'agents', 'seeds', ...HEAD), row('---', '---', '---:', ...HEAD.map(() => '---:'))];
  for (const { start, on, off } of starts) {
    lines.push(rowOf([start, 'the untouched model'], on, 'base', 'base/majority', 'base/debate'));
    for (const [name, from] of [
      ['with critics', on],
      ['without critics', off],
    ] as const)
      if (from) lines.push(rowOf([start, name], from, 'equal-steps/society', 'equal-steps/societyMajority', SOCIETY));
  }
  return lines.join('\n');
}

/** @param first method whose answers are the vote of the first round @param last that of the vote after reading */
function rowOf(names: readonly string[], from: Committed, learner: string, first: string, last: string): string {
  const tests = from.learners.find(({ key }) => key === learner)?.runs.flatMap(({ tests }) => tests.at(-1) ?? []) ?? [];
  const method = (key: string) => from.methods.find((one) => one.key === key);
  const shares = (key: string) => withSpread((method(key)?.runs ?? []).map(({ right, n }) => right / n));
  const { trainedTokens = 0, trainedGenerations = 0 } = method(last) ?? {};
  const cost = [count(trainedTokens), count(trainedGenerations)];
  return row(
    ...names,
    method(last)?.runs.length ?? 0,
    withSpread(tests.map(agentOf)),
    shares(first),
    shares(last),
    ...cost,
  );
}

/** The vote after reading, with critics minus without. */
export function criticsDifferences(starts: readonly Critics[]): string {
  const head = ['points', '95 %, these problems', 'p, adjusted', '95 %, another seed', 'p', 'resolves'];
  return [
    row('with critics minus without', ...head),
    row('---', ...head.map(() => '---:')),
    ...starts.flatMap(({ start, on, off }) =>
      off
        ? [difference(start, across(on, { name: start, from: off, learner: 'equal-steps/society', method: SOCIETY }))]
        : [],
    ),
  ].join('\n');
}
