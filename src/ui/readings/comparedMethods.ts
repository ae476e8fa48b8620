/** All methods of several recipes on the same problems: rows, plots and pairs of a comparison, from a file or from runs of this browser. */
import { comparisonOf, type ComparedLog } from '../../log/comparison';
import type { ShownComparison } from '../../share/comparisonFile';
import { taskNamed } from '../../tasks';
import { canonicalJson } from '../../log/canonical';
import type { DataTable } from '../../share/exports/table';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartSeries } from '../charts/types';
import type { ComparedRun } from './compare';
import { SHARE_BARS } from './share';

/**
 * The comparison of runs that are held here; null where fewer than two of them are finished. Runs of one recipe with the same settings but
 * the seed are one method; others go by the name of the run.
 */
export function comparisonOfRuns(runs: readonly ComparedRun[]): ShownComparison | null {
  const done = runs.filter(({ record }) => record.status === 'finished');
  if (done.length < 2) return null;
  const settings = ({ record: { config } }: ComparedRun) => canonicalJson({ ...config, seed: 0 });
  const logs = done.map((run): ComparedLog => {
    const { recipe, seed } = run.record.config;
    const others = done.filter((one) => one !== run && one.record.config.recipe === recipe);
    const alone = others.every((one) => settings(one) === settings(run) && one.record.config.seed !== seed);
    return { recipe: alone ? recipe : nameOf(run, done), seed, events: run.events };
  });
  const [task, ...otherTasks] = new Set(done.map(({ record }) => record.config.task));
  // Strategies are those of one task: answers to another show none of them.
  const strategies = task === undefined || otherTasks.length > 0 ? undefined : taskNamed(task).strategies;
  const { methods, pairs } = comparisonOf(logs, strategies);
  return { title: 'All methods of these runs', methods, pairs };
}

/** The name of a run; two of one name are told apart by their ids. */
function nameOf({ record: { id, name } }: ComparedRun, runs: readonly ComparedRun[]): string {
  return runs.filter(({ record }) => record.name === name).length > 1 ? `${name} (${id.slice(0, 8)})` : name;
}

/** Accuracy against what an answer costs, or against what was learnt; one series a recipe. */
export function comparedPlot({ methods }: ShownComparison, against: 'calls' | 'tokens'): ChartData {
  const recipes = [...new Set(methods.map(({ recipe }) => recipe))];
  return {
    title: against === 'calls' ? 'Accuracy by generations per problem' : 'Accuracy by training tokens',
    xLabel: against === 'calls' ? 'generations per problem' : 'training tokens',
    yLabel: 'accuracy',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: against === 'calls',
    series: recipes.map((recipe, n): ChartSeries => ({
      id: recipe,
      label: recipe,
      ...styleAt(n),
      points: methods
        .filter((method) => method.recipe === recipe)
        .map(({ accuracy: y, interval: [low, high], label, calls, trainedTokens }) => ({
          x: against === 'calls' ? calls : trainedTokens,
          y,
          low,
          high,
          note: label,
        }))
        .sort((a, b) => a.x - b.x || a.y - b.y)
        // With one round a debate is a majority: one point.
        .filter((point, at, all) => point.x !== all[at - 1]?.x || point.y !== all[at - 1]?.y),
    })),
  };
}

/** Raw numbers of the methods. */
export function methodTable({ methods }: ShownComparison): DataTable {
  return {
    columns: [
      'recipe',
      'method',
      'calls',
      'training tokens',
      'training generations',
      'accuracy',
      'seeds',
      'mean',
      'deviation',
    ],
    rows: methods.map(({ recipe, label, calls, trainedTokens, trainedGenerations, accuracy, spread }) => [
      ...[recipe, label, calls, trainedTokens, trainedGenerations, accuracy],
      ...[spread.runs, spread.mean, spread.deviation],
    ]),
  };
}

/** Raw numbers of the pairs. */
export function pairTable({ pairs }: ShownComparison): DataTable {
  return {
    columns: [
      'first',
      'second',
      'difference',
      'low',
      'high',
      'only first',
      'only second',
      'p',
      'adjusted',
      'low, seeds',
      'high, seeds',
      'p, seeds',
    ],
    rows: pairs.map(({ first, second, difference, interval, onlyFirst, onlySecond, p, adjusted, spread }) => [
      ...[first, second, difference, ...interval, onlyFirst, onlySecond, p, adjusted],
      ...(spread.interval ?? [null, null]),
      spread.p,
    ]),
  };
}
