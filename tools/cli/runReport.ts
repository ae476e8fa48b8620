/** What `run` says about events and results, for people and for programs. */
import type { Cast, RunEvent } from '../../src/events';
import { measureText } from '../../src/log/measures';
import { baseLearnerOf, type RunResults } from '../../src/log/results';
import { hasTrouble, overSeats, type TextTally } from '../../src/log/responses';
import type { RunRecord } from '../../src/store/types';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A line worth printing while the run goes on, or null. */
export function describeEvent(event: RunEvent): { text: string; data: Record<string, unknown> } | null {
  if (event.type === 'evaluation') {
    const { iteration, learner, scores } = event;
    const known = scores.map(({ method, right, n }) => `${method} ${percent(right / n)}`).join(', ');
    const shown = scores.length > 0 ? known : 'accuracy not given, there are no true answers';
    const right = Object.fromEntries(scores.map((score) => [score.method, score.right]));
    return {
      text: `iteration ${iteration}, ${learner}: ${shown}`,
      data: { type: 'evaluation', iteration, learner, n: scores[0]?.n ?? 0, right },
    };
  }
  if (event.type === 'pseudo-labels') {
    const { iteration, learner, problems, accepted, acceptedRight } = event;
    return {
      text: `iteration ${iteration}, ${learner}: ${accepted} of ${problems} problems have a pseudo-label, ${acceptedRight} of them right`,
      data: { type: 'pseudo-labels', iteration, learner, problems, accepted, acceptedRight },
    };
  }
  if (event.type === 'training-step' && event.step + 1 === event.totalSteps) {
    const { iteration, job, totalSteps, tracks } = event;
    const losses = Object.fromEntries(tracks.map(({ adapter, loss }) => [adapter, loss]));
    const shown = tracks.map(({ adapter, loss }) => `${adapter} ${loss.toFixed(3)}`).join(', ');
    return {
      text: `iteration ${iteration}, ${job}: ${totalSteps} training steps; last loss ${shown}`,
      data: { type: 'finetuned', iteration, job, steps: totalSteps, losses },
    };
  }
  if (event.type === 'measured') {
    const { iteration, learner, name, values } = event;
    const shown = values.map((measure) => `${measure.label} ${measureText(measure)}`).join(', ');
    return {
      text: `iteration ${iteration}, ${learner}, ${name}: ${shown}`,
      data: { type: 'measured', iteration, learner, name, values },
    };
  }
  if (event.type === 'adapter' && 'merge' in event.from) {
    const { iteration, adapter, from } = event;
    const lost = from.lost === undefined ? '' : `, its rank cannot hold ${percent(from.lost)} of the norm`;
    return {
      text: `iteration ${iteration}, ${adapter}: ${from.merge.join(', ')} by ${from.rule}${lost}`,
      data: { type: 'merged', iteration, adapter, ...from },
    };
  }
  if (event.type === 'job-superseded') {
    const { iteration, job, steps } = event;
    return {
      text: `iteration ${iteration}, ${job}: begins again, its ${steps} earlier steps do not count`,
      data: { type: 'job-superseded', iteration, job, steps },
    };
  }
  return null;
}

/** Accuracy per iteration and method as a table, each with its 95 % interval, then the paired comparisons of the last iteration. */
export function summary(results: RunResults, cast: Pick<Cast, 'methods' | 'learners'>): string[] {
  const { methods } = cast;
  const lines = [''];
  const shown = methods.filter(({ key }) => results.iterations.some((iteration) => iteration.methods[key]));
  if (shown.length === 0) return ['', 'accuracy: not given, there are no true answers'];
  const width = Math.max(0, ...shown.map(({ label }) => label.length));
  lines.push(
    ' '.repeat(width) + results.iterations.map(({ iteration }) => `   it. ${iteration}`.padStart(19)).join(''),
  );
  for (const { key, label, learner } of shown) {
    const cells = results.iterations.map((iteration) => {
      // What does not learn is tested once.
      const again = learner === baseLearnerOf(cast) && iteration.iteration > 0;
      const score = again ? undefined : iteration.methods[key];
      return (score ? `${(100 * score.accuracy).toFixed(1)} ${bounds(score.interval)}` : '').padStart(19);
    });
    lines.push(label.padEnd(width) + cells.join(''));
  }
  lines.push('percent right, and in brackets the 95 % interval (Wilson)', '');
  const label = (key: string) => methods.find((method) => method.key === key)?.label ?? key;
  for (const c of results.iterations.at(-1)?.comparisons ?? []) {
    const [low, high] = c.interval;
    lines.push(
      `${label(c.first)} − ${label(c.second)}: ${points(c.difference)} points (95 % ${points(low)} to ${points(high)}), McNemar p = ${c.p.toPrecision(2)}`,
    );
  }
  for (const { weak, student, ceiling, gain, gap, interval, share } of results.iterations.at(-1)?.recovered ?? []) {
    const recovered = share === null ? 'not given: the interval of the gap holds 0' : share.toFixed(2);
    const [low, high] = interval;
    lines.push(
      `${label(student)}: gap recovered ${recovered}; ${points(gain)} of ${points(gap)} points (95 % ${points(low)} to ` +
        `${points(high)}) from ${label(weak)} to ${label(ceiling)}`,
    );
  }
  return lines;
}

/** Kinds of turns in words, more than one of them. */
const KINDS: Readonly<Record<string, string>> = {
  answer: 'first answers',
  revision: 'revisions',
  summary: 'summaries',
  reading: 'readings',
};

/** Where texts were cut, shortened, never asked for or cannot be read: one line for each phase and kind of text. */
export function textReport(tallies: readonly TextTally[]): string[] {
  return overSeats(tallies)
    .filter(hasTrouble)
    .map(({ purpose, learner, iteration, kind, texts, cut, shortened, unasked, unreadable }) => {
      const counts = Object.entries({ cut, 'quotes shortened': shortened, 'not asked for': unasked, unreadable });
      const shown = counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
      return `iteration ${iteration}, ${purpose}, ${learner}: of ${texts} ${KINDS[kind] ?? kind} ${shown.join(', ')}`;
    });
}

/** The last JSON object of a run. */
export function finalReport(
  results: RunResults,
  { methods }: Pick<Cast, 'methods'>,
  record: RunRecord,
  discreteDigest: string,
  texts: readonly TextTally[],
): Record<string, unknown> {
  const accuracy: Record<string, unknown> = {};
  for (const { key } of methods) {
    const rows = results.iterations.flatMap(({ iteration, methods: scores }) => {
      const score = scores[key];
      return score ? [{ iteration, ...score }] : [];
    });
    if (rows.length > 0) accuracy[key] = rows;
  }
  return {
    config: results.config,
    model: results.model,
    engine: results.engine,
    methods: methods.map(({ key, label, learner, calls }) => ({ key, label, learner, calls })),
    accuracy,
    comparisons: results.iterations.map(({ iteration, comparisons }) => ({ iteration, comparisons })),
    ...(results.iterations.some(({ recovered }) => recovered !== undefined) && {
      recovered: results.iterations.map(({ iteration, recovered = [] }) => ({ iteration, recovered })),
    }),
    ...(results.iterations.some(({ measures }) => measures !== undefined) && {
      measures: results.iterations.map(({ iteration, measures = [] }) => ({ iteration, measures })),
    }),
    datasets: results.iterations.map(({ iteration, datasets }) => ({ iteration, datasets })),
    pseudoLabels: results.iterations.map(({ iteration, pseudoLabels }) => ({ iteration, ...pseudoLabels })),
    diversity: results.iterations.map(({ iteration, diversity }) => ({ iteration, ...diversity })),
    losses: results.iterations.map(({ iteration, losses }) => ({ iteration, losses })),
    ...(results.iterations.some(({ measures }) => measures) && {
      measures: results.iterations.map(({ iteration, measures = [] }) => ({ iteration, measures })),
    }),
    texts,
    events: record.events,
    digest: record.digest,
    discreteDigest,
  };
}

/** [0.798, 0.993] → "(79.8–99.3)" */
function bounds([low, high]: readonly [number, number]): string {
  return `(${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)})`;
}

function points(share: number): string {
  return `${share >= 0 ? '+' : '−'}${Math.abs(100 * share).toFixed(1)}`;
}
