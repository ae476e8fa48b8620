/** The outcome of a run in words and in one chart: what the method claims first. */
import type { Cast, Method } from '../../events';
import { baseLearnerOf, comparisonsOf } from '../../log/results';
import { pairedComparison, type PairedComparison } from '../../society/statistics';
import type { ChartData } from '../charts/data';
import type { ChartSeries } from '../charts/types';
import { pointsRange, signedPoints } from '../format';
import { inSentence, learnerLook, methodLooks, methodText, wayOf } from '../looks';
import { evaluationOf, lastEvaluated, testAt } from './evaluations';
import type { LogIndex } from './logIndex';
import { formatP, headlineOf, PAIRED_BARS } from './paired';
import { methodStyle } from './results';

/**
 * The outcome in sentences that claim no more than their intervals allow; none before there is a test to claim it from. First what the method claims:
 * the society against what else was finetuned, then against the untouched model.
 */
export function headlines(index: LogIndex): string[] {
  const { cast } = index;
  const headline = headlineOf(cast)?.method;
  const iteration = lastEvaluated(index);
  const learns = headline !== undefined && headline.learner !== baseLearnerOf(cast);
  if (!headline || (learns && iteration === 0)) return [];
  const seconds = comparisonsOf(cast).flatMap(([first, second]) => (first === headline.key ? second : []));
  return seconds
    .flatMap((key) => cast.methods.find((method) => method.key === key) ?? [])
    .flatMap((other) => comparedAt(index, headline, other, iteration) ?? [])
    .map((row, n) => sentenceOf(cast, row, n === 0, onBase(index, row.method.learner)));
}

/** The same as one text; null where there is none. */
export function headline(index: LogIndex): string | null {
  const said = headlines(index);
  return said.length > 0 ? said.join(' ') : null;
}

interface Compared extends PairedComparison {
  method: Method;
  reference: Method;
  iteration: number;
  right: number;
  rightReference: number;
}

/** null where one of them was not tested on these problems. */
function comparedAt(index: LogIndex, method: Method, reference: Method, iteration: number): Compared | null {
  const [own, other] = [evaluationOf(index, method, iteration), evaluationOf(index, reference, iteration)];
  if (!own || !other || own.correct.length !== other.correct.length) return null;
  const counts = { right: own.right, rightReference: other.right };
  return { method, reference, iteration, ...counts, ...pairedComparison(own.correct, other.correct) };
}

/** Is the learner's model the base's? Who has another one is tested before it learns, in a run that names two. */
function onBase(index: LogIndex, learner: string): boolean {
  return index.started?.secondModel === undefined || testAt(index, learner, 0) === undefined;
}

/**
 * @param first the sentence that also says what is compared
 * @param same the method's model is the base's, so that they differ by finetuning alone
 */
function sentenceOf(cast: Cast, row: Compared, first: boolean, same: boolean): string {
  const { method, reference, iteration, n, p, difference } = row;
  const figures = `${signedPoints(difference)} points (95 % interval ${pointsRange(row.interval)}, McNemar ${formatP(p)})`;
  const untrained = reference.learner === baseLearnerOf(cast);
  const learnt = method.learner !== baseLearnerOf(cast);
  // Only where both answer in the same way is the difference that of finetuning.
  const byFinetuning = untrained && learnt && same && method.answer === reference.answer;
  const worse = byFinetuning ? 'Finetuning made it worse' : 'It is worse';
  const verdict =
    p >= 0.05
      ? 'That may be chance: this run alone does not show a difference.'
      : difference > 0
        ? 'Chance alone seldom does that.'
        : `${worse}. Chance alone seldom does that.`;
  const other = untrained && !same ? methodText(reference.label) : againstText(cast, row);
  const calls = !byFinetuning && method.calls === reference.calls ? ' at equal calls' : '';
  const right = `${row.rightReference} of ${n}`;
  if (!first && untrained && same && method.answer === reference.answer)
    return `${capital(other)}${calls} ${right} were right: ${figures}. ${verdict}`;
  if (!first) return `Against ${other}${calls}, right on ${right}: ${figures}. ${verdict}`;
  const { noun } = wayOf(method.answer);
  const { name } = learnerLook(cast, method.learner);
  // Of two possessives in a row nobody finds the end.
  const owned = /[’']s /.test(name) ? `the ${noun} of ${name}` : `${name}'s ${noun}`;
  const who = noun === null ? `“${method.label}”` : owned;
  const when = learnt ? `After iteration ${iteration} ${who}` : capital(who);
  return (
    `${when} is right on ${row.right} of ${n} held-out problems, ${other} on ` +
    `${row.rightReference}${calls}: ${figures}. ${verdict}`
  );
}

/** "without finetuning", "single-agent finetuning", "the best of 2" */
function againstText(cast: Cast, { method, reference }: Pick<Compared, 'method' | 'reference'>): string {
  if (method.answer !== reference.answer) return methodText(reference.label);
  if (reference.learner === baseLearnerOf(cast)) return 'without finetuning';
  return inSentence(learnerLook(cast, reference.learner).label);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The lead over what else was finetuned, by iteration, at the headline's way of answering; null where there is nothing else. */
export function leadByIteration(index: LogIndex): ChartData | null {
  const { cast } = index;
  const base = baseLearnerOf(cast);
  const compared = headlineOf(cast)?.method;
  if (!compared) return null;
  const rivals = comparisonsOf(cast)
    .filter(([first]) => first === compared.key)
    .flatMap(([, second]) => cast.methods.find(({ key, learner }) => key === second && learner !== base) ?? []);
  const iterations = Array.from({ length: lastEvaluated(index) }, (_, l) => l + 1);
  const series = rivals
    .map((rival): ChartSeries => {
      const look = methodLooks(cast).find(({ key }) => key === rival.key);
      const rows = iterations.flatMap((iteration) => comparedAt(index, compared, rival, iteration) ?? []);
      return {
        id: rival.key,
        label: `against ${againstText(cast, { method: compared, reference: rival })}`,
        ...methodStyle(look ?? { color: 'var(--ink)', shape: 'circle', dash: '' }),
        points: rows.map(({ iteration, difference, interval: [low, high], p }) => ({
          x: iteration,
          y: difference,
          low,
          high,
          note: formatP(p),
          start: !rows.some((row) => row.iteration === iteration - 1),
        })),
      };
    })
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return null;
  const what = compared.answer === 'debate' ? ', debate' : '';
  return {
    title: `Lead of ${inSentence(learnerLook(cast, compared.learner).label)}${what}`,
    xLabel: 'iteration',
    yLabel: 'paired difference',
    format: 'points',
    errors: PAIRED_BARS,
    include: [0],
    reference: 0,
    integerX: true,
    series,
  };
}
