/** What is in a bundle, at a glance. Nothing of it is loaded or started, and what it claims is not checked. */
import type { Revision } from '../events';
import { receiptOf, type ClaimedScore } from '../log/receipt';
import { differences } from '../recipes/resolve';
import { versionsOf } from '../store/keep';
import type { Bundle } from './openBundle';
import { linkOfRun } from './runLink';

export interface BundleCard {
  /** As `run.json` has it; null for a log alone. */
  name: string | null;
  recipe: Revision;
  preset: Revision;
  task: Revision;
  seed: number;
  /** Dotted key → value: what differs from the preset. */
  changes: Record<string, unknown>;
  model: { name: string; hash: string };
  engine: string;
  build: string;
  /** Of the log as it was written. */
  logFormat: number;
  finished: boolean;
  /** Iterations that ended with a test. */
  iterations: number;
  events: number;
  episodes: number;
  digest: string;
  /** Right answers by method and iteration. */
  scores: (ClaimedScore & { label: string })[];
  /** Versions that the log announces, and how many of them the file holds. */
  adapters: { announced: number; held: number };
  datasets: { sets: number; examples: number };
  /** The fragment that repeats it; null where no link holds it. */
  link: string | null;
  /** Files of the zip with their bytes. */
  files: { path: string; bytes: number }[];
}

export function cardOf(bundle: Bundle): BundleCard {
  const { events, started, config, format, files } = bundle;
  const digest = bundle.digest();
  const { scores } = receiptOf(events, digest);
  const labels = new Map(started.methods.map(({ key, label }) => [key, label]));
  const sets = events.filter((event) => event.type === 'dataset');
  const held = Object.keys(files).filter((path) => /^adapters\/.*\/adapter_model\.safetensors$/.test(path));
  return {
    name: bundleName(bundle),
    recipe: started.recipe,
    preset: started.preset,
    task: started.task,
    seed: config.seed,
    changes: differences(config),
    model: started.model,
    engine: started.engine,
    build: started.build,
    logFormat: format,
    finished: events.at(-1)?.type === 'run-finished',
    iterations: Math.max(0, ...events.map((event) => (event.type === 'evaluation' ? event.iteration : 0))),
    events: events.length,
    episodes: events.filter(({ type }) => type === 'episode').length,
    digest,
    scores: scores.map((score) => ({ ...score, label: labels.get(score.method) ?? score.method })),
    adapters: { announced: versionsOf(events).length, held: held.length },
    datasets: { sets: sets.length, examples: sets.reduce((sum, { examples }) => sum + examples.length, 0) },
    link: linkOfRun(events, { digest }),
    files: Object.entries(files).map(([path, { length }]) => ({ path, bytes: length })),
  };
}

/** The run's name in `run.json`; null where there is none that can be read. */
export function bundleName({ files }: Pick<Bundle, 'files'>): string | null {
  const bytes = Object.hasOwn(files, 'run.json') ? files['run.json'] : undefined;
  if (!bytes) return null;
  try {
    const { name } = JSON.parse(new TextDecoder().decode(bytes)) as { name?: unknown };
    return typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, 200) : null;
  } catch {
    return null;
  }
}
