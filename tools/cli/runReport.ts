/** What `run` says about events and results, for people and for programs. */
import type { RunEvent } from '../../src/events';
import { METHODS, type MethodKey, type RunResults } from '../../src/log/results';
import { hasTrouble, overSlots, type TextTally } from '../../src/log/responses';
import type { RunRecord } from '../../src/store/types';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A line worth printing while the run goes on, or null. */
export function describeEvent(event: RunEvent): { text: string; data: Record<string, unknown> } | null {
  if (event.type === 'evaluation') {
    const { iteration, team, single, majority, debate } = event;
    const share = (score: { right: number; n: number }): string => percent(score.right / score.n);
    return {
      text: `iteration ${iteration}, ${team}: single ${share(single)}, majority ${share(majority)}, debate ${share(debate)}`,
      data: {
        type: 'evaluation',
        iteration,
        team,
        n: debate.n,
        single: single.right,
        majority: majority.right,
        debate: debate.right,
      },
    };
  }
  if (event.type === 'pseudo-labels') {
    const { iteration, team, problems, accepted, acceptedRight } = event;
    return {
      text: `iteration ${iteration}, ${team}: ${accepted} of ${problems} problems have a pseudo-label, ${acceptedRight} of them right`,
      data: { type: 'pseudo-labels', iteration, team, problems, accepted, acceptedRight },
    };
  }
  if (event.type === 'training-step' && event.step + 1 === event.totalSteps) {
    const { iteration, team, totalSteps, tracks } = event;
    const losses = Object.fromEntries(tracks.map(({ adapter, loss }) => [adapter, loss]));
    const shown = tracks.map(({ adapter, loss }) => `${adapter} ${loss.toFixed(3)}`).join(', ');
    return {
      text: `iteration ${iteration}, ${team}: ${totalSteps} finetuning steps; last loss ${shown}`,
      data: { type: 'finetuned', iteration, team, steps: totalSteps, losses },
    };
  }
  return null;
}

/** Accuracy per iteration and method as a table, then the paired comparisons of the last iteration. */
export function summary(results: RunResults): string[] {
  const lines = [''];
  const shown = METHODS.filter(({ key }) => results.iterations.some((iteration) => iteration.methods[key]));
  const width = Math.max(...shown.map(({ label }) => label.length));
  lines.push(
    ' '.repeat(width) + results.iterations.map(({ iteration }) => `   it. ${iteration}`.padStart(15)).join(''),
  );
  for (const { key, label } of shown) {
    const cells = results.iterations.map(({ methods }) => {
      const score = methods[key];
      const text = score ? `${(100 * score.accuracy).toFixed(1)} ± ${(100 * score.standardError).toFixed(1)}` : '';
      return text.padStart(15);
    });
    lines.push(label.padEnd(width) + cells.join(''));
  }
  lines.push('');
  for (const c of results.iterations.at(-1)?.comparisons ?? []) {
    const [low, high] = c.interval;
    lines.push(
      `${label(c.first)} − ${label(c.second)}: ${points(c.difference)} points (95 % ${points(low)} to ${points(high)}), McNemar p = ${c.p.toPrecision(2)}`,
    );
  }
  return lines;
}

/** Where texts were cut, shortened, never asked for or cannot be read: one line for each phase and kind of text. */
export function textReport(tallies: readonly TextTally[]): string[] {
  return overSlots(tallies)
    .filter(hasTrouble)
    .map(({ purpose, team, iteration, kind, texts, cut, shortened, unasked, unreadable }) => {
      const counts = Object.entries({ cut, 'quotes shortened': shortened, 'not asked for': unasked, unreadable });
      const shown = counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
      const kinds = { answer: 'first answers', revision: 'revisions', summary: 'summaries' };
      return `iteration ${iteration}, ${purpose}, ${team}: of ${texts} ${kinds[kind]} ${shown.join(', ')}`;
    });
}

/** The last JSON object of a run. */
export function finalReport(
  results: RunResults,
  record: RunRecord,
  texts: readonly TextTally[],
): Record<string, unknown> {
  const accuracy: Record<string, unknown> = {};
  for (const { key } of METHODS) {
    const rows = results.iterations.flatMap(({ iteration, methods }) => {
      const score = methods[key];
      return score ? [{ iteration, ...score }] : [];
    });
    if (rows.length > 0) accuracy[key] = rows;
  }
  return {
    config: results.config,
    model: results.model,
    engine: results.engine,
    accuracy,
    comparisons: results.iterations.map(({ iteration, comparisons }) => ({ iteration, comparisons })),
    datasets: results.iterations.map(({ iteration, datasets }) => ({ iteration, datasets })),
    pseudoLabels: results.iterations.map(({ iteration, pseudoLabels }) => ({ iteration, ...pseudoLabels })),
    diversity: results.iterations.map(({ iteration, diversity }) => ({ iteration, ...diversity })),
    losses: results.iterations.map(({ iteration, losses }) => ({ iteration, losses })),
    texts,
    events: record.events,
    digest: record.digest,
  };
}

function label(key: MethodKey): string {
  return METHODS.find((method) => method.key === key)?.label ?? key;
}

function points(share: number): string {
  return `${share >= 0 ? '+' : '−'}${Math.abs(100 * share).toFixed(1)}`;
}
