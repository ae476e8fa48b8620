/** Results for other programs: tables with named columns, JSON, and Markdown for people. */
import type { Cast, RunEvent } from '../../events';
import { engineInWords } from '../../engine/describe';
import { resultsOf, type IterationResults, type RunResults } from '../../log/results';
import { discreteDigestOf, digestOf } from '../../log/digest';
import { standing } from '../../log/superseded';
import { startOf } from './sets';
import { toCsv, type DataTable } from './table';
import { plain, type TextFiles } from './trl';

/** What the columns `interval_low` and `interval_high` are, in the tables themselves. */
const WILSON = '95 % (Wilson)';
const PAIRED = '95 % (Fay and Lumbard 2021, paired)';

/** What results say of their run beside its log. */
export interface AboutRun {
  /** For people. */
  name: string;
  /** Fragment or address that repeats it; null where no link holds it. */
  link: string | null;
  /** Of the log as it was written; absent = of these events. */
  digest?: string;
}

/** `accuracy.csv`, `differences.csv`, `training.csv`, `datasets.csv`, `results.json` and `results.md`. */
export function resultFiles(events: readonly RunEvent[], about: AboutRun): TextFiles {
  return {
    'accuracy.csv': toCsv(accuracyTable(events)),
    'differences.csv': toCsv(differenceTable(events)),
    'training.csv': toCsv(trainingTable(events)),
    'datasets.csv': toCsv(datasetTable(events)),
    'results.json': resultsJson(events, about),
    'results.md': resultsMarkdown(events, about),
  };
}

/** One row a method and iteration. Shares are from 0 to 1. */
export function accuracyTable(events: readonly RunEvent[]): DataTable {
  const { config, methods, learners } = startOf(events);
  const named = new Map(learners.map(({ key, label }) => [key, label]));
  return {
    columns: [
      ...['recipe', 'preset', 'seed', 'iteration', 'method', 'label', 'learner', 'answer', 'calls', 'n', 'right'],
      ...['unreadable', 'accuracy', 'standard_error', 'interval_low', 'interval_high', 'interval'],
    ],
    rows: resultsOf(events).iterations.flatMap(({ iteration, methods: scores }) =>
      methods.flatMap(({ key, label, learner, answer, calls }) => {
        const score = scores[key];
        if (!score) return [];
        const { n, right, unreadable, accuracy, interval } = score;
        const standardError = Math.sqrt((accuracy * (1 - accuracy)) / n);
        const of = [config.recipe, config.preset, config.seed, iteration, key, label, named.get(learner) ?? learner];
        return [[...of, answer, calls, n, right, unreadable, accuracy, standardError, ...interval, WILSON]];
      }),
    ),
  };
}

/** One row a compared pair and iteration: first − second. */
export function differenceTable(events: readonly RunEvent[]): DataTable {
  return {
    columns: [
      ...['iteration', 'first', 'second', 'n', 'only_first', 'only_second', 'difference'],
      ...['interval_low', 'interval_high', 'interval', 'p_mcnemar_exact'],
    ],
    rows: resultsOf(events).iterations.flatMap(({ iteration, comparisons }) =>
      comparisons.map(({ first, second, n, onlyFirst, onlySecond, difference, interval, p }) => [
        ...[iteration, first, second, n, onlyFirst, onlySecond, difference, ...interval],
        PAIRED,
        p,
      ]),
    ),
  };
}

/** One row a step of an adapter. */
export function trainingTable(events: readonly RunEvent[]): DataTable {
  return {
    columns: ['iteration', 'job', 'adapter', 'step', 'loss', 'gradient_norm', 'learning_rate', 'tokens'],
    rows: standing(events).flatMap((event) =>
      event.type !== 'training-step'
        ? []
        : event.tracks.map(({ adapter, loss, gradNorm, lr, tokens }) => [
            ...[event.iteration, event.job, adapter, event.step, loss, gradNorm, lr, tokens],
          ]),
    ),
  };
}

/** One row a data set and kind of example. */
export function datasetTable(events: readonly RunEvent[]): DataTable {
  return {
    columns: ['iteration', 'job', 'adapter', 'objective', 'kind', 'examples', 'candidates'],
    rows: events.flatMap((event) => {
      if (event.type !== 'dataset') return [];
      const { iteration, job, adapter, objective, examples, available } = event;
      const kinds = new Set([...Object.keys(available), ...examples.map(({ kind }) => kind)]);
      return [...kinds].map((kind) => {
        const used = examples.filter((example) => example.kind === kind).length;
        return [iteration, job, adapter, objective.kind, kind, used, available[kind] ?? null];
      });
    }),
  };
}

/** Everything of `resultsOf`, with who compared whom, the digests and the link. */
export function resultsJson(events: readonly RunEvent[], { name, link, digest = digestOf(events) }: AboutRun): string {
  const { recipe, preset, task, methods, learners, agents, arithmetic, build } = startOf(events);
  const about = { name, link, recipe, preset, task, arithmetic, build };
  const digests = { digest, discreteDigest: discreteDigestOf(events), events: events.length };
  return `${JSON.stringify({ ...about, ...digests, agents, learners, methods, ...resultsOf(events) }, null, 2)}\n`;
}

const percent = (share: number): string => (100 * share).toFixed(1);
const points = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`;
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** Accuracy by method and iteration, and the paired differences of the last iteration. */
export function resultsMarkdown(
  events: readonly RunEvent[],
  { name, link, digest = digestOf(events) }: AboutRun,
): string {
  const started = startOf(events);
  const { config, model, engine } = started;
  const results = resultsOf(events);
  return [
    `# ${plain(name)}`,
    '',
    `Recipe ${plain(config.recipe)} (revision ${started.recipe.revision}), preset ${plain(config.preset)} (revision ${started.preset.revision}), seed ${config.seed}.`,
    `Model ${plain(model.name)} on ${plain(engineInWords(engine))}.${results.finished ? '' : ' The run is not finished.'}`,
    ...(link === null ? [] : ['', `To repeat it: \`${link}\``]),
    '',
    `Log digest \`${digest}\`, ${events.length} events.`,
    '',
    '## Accuracy',
    '',
    ...accuracyLines(results, started),
    ...differenceLines(results.iterations.at(-1), started),
  ].join('\n');
}

function accuracyLines({ iterations }: RunResults, { methods }: Cast): string[] {
  const shown = methods.filter(({ key }) => iterations.some(({ methods: scores }) => scores[key]));
  if (shown.length === 0) return ['Not given: the problems have no true answers, or none was tested yet.', ''];
  return [
    'Percent right on the held-out problems, with the 95 % interval (Wilson) in brackets.',
    'Calls are generations that an answer costs.',
    '',
    row(['method', 'calls', 'problems', ...iterations.map(({ iteration }) => `iteration ${iteration}`)]),
    row(['---', '---:', '---:', ...iterations.map(() => '---:')]),
    ...shown.map(({ key, label, calls }) => {
      const n = iterations.find(({ methods: scores }) => scores[key])?.methods[key]?.n ?? 0;
      const cells = iterations.map(({ methods: scores }) => {
        const score = scores[key];
        if (!score) return '';
        const { accuracy, interval } = score;
        return `${percent(accuracy)} (${interval.map(percent).join(' to ')})`;
      });
      return row([plain(label), calls, n, ...cells]);
    }),
    '',
  ];
}

function differenceLines(last: IterationResults | undefined, { methods }: Cast): string[] {
  if (!last || last.comparisons.length === 0) return [];
  const label = (key: string): string => plain(methods.find((method) => method.key === key)?.label ?? key);
  return [
    `## Paired differences after iteration ${last.iteration}`,
    '',
    'Same problems and draws: first − second in points, its 95 % interval (Fay and Lumbard 2021), and exact McNemar.',
    '',
    row(['first − second', 'points', '95 %', 'only first', 'only second', 'p']),
    row(['---', '---:', '---:', '---:', '---:', '---:']),
    ...last.comparisons.map(({ first, second, difference, interval, onlyFirst, onlySecond, p }) =>
      row([
        `${label(first)} − ${label(second)}`,
        points(difference),
        interval.map(points).join(' to '),
        onlyFirst,
        onlySecond,
        p < 0.001 ? p.toExponential(0) : p.toFixed(3),
      ]),
    ),
    '',
  ];
}
