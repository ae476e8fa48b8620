/** The list of runs: what of a run's settings differs from the run before it. */
import type { ExperimentConfig } from '../../recipes/config';
import type { RunRecord } from '../../store/types';
import { settingDifferences } from './compare';

/** Most differences that are named; further ones are counted. */
const NAMED = 4;

/** Short names of settings, as the form has them; others keep their dotted key. */
const NAMES: Record<string, string> = {
  agents: 'N',
  rounds: 'M',
  iterations: 'L',
  trainProblems: 'training problems',
  evaluationProblems: 'held-out problems',
  singleAgentBaseline: 'single-agent baseline',
  criticShare: 'w',
  'sampling.temperature': 'temperature',
  'finetune.lr': 'learning rate',
  'finetune.epochs': 'epochs',
  'adapter.rank': 'rank',
};

/** "seed 7 → 8, N 3 → 5"; 'same settings' when there is no difference. */
export function changesSince(before: ExperimentConfig, config: ExperimentConfig): string {
  const differences = settingDifferences([before, config]).filter(({ key }) => key !== 'preset');
  if (differences.length === 0) return 'same settings';
  const named = differences
    .slice(0, NAMED)
    .map(({ key, values: [from, to] }) => `${NAMES[key] ?? key} ${from} → ${to}`);
  const more = differences.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** The run that was created before each; runs come newest first. */
export function runBefore(runs: readonly RunRecord[], index: number): RunRecord | null {
  return runs[index + 1] ?? null;
}
