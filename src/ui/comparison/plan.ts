/**
 * A comparison that the page plays: which runs it has, and which of the stored ones they are. It is kept as a plan alone; how far it is can be
 * read off the list of runs, so it goes on after a reload.
 */
import { canonicalJson } from '../../log/canonical';
import type { ComparedLog } from '../../log/comparison';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../../recipes';
import type { RunConfig } from '../../recipes/config';
import { resolveConfig, speaksChat } from '../../recipes/resolve';
import type { Scalar } from '../../recipes/settings';
import type { RunRecord } from '../../store/types';
import type { EngineChoice } from '../../lab/types';

/** A line of a comparison: a recipe with settings of its own. */
export interface ComparedRow {
  recipe: string;
  /** In tables; no two rows have the same. */
  name: string;
  /** By dotted key, as overrides of the preset. */
  set: Readonly<Record<string, Scalar>>;
}

export interface ComparisonPlan {
  title: string;
  preset: string;
  rows: readonly ComparedRow[];
  seeds: readonly number[];
  engine: EngineChoice;
  /** Shown as a collapse beside its guard; absent: as methods in a table. */
  collapse?: true;
  /** Milliseconds since 1970: runs that are older are not of this comparison. */
  made: number;
}

/**
 * The collapse: a society whose labels are any winner of a vote and whose steps are large, and the same society with the guard that ends it near
 * its best. Two runs of the preset `strategies-collapse` with its own seed.
 */
export function collapsePlan(engine: EngineChoice, made: number): ComparisonPlan {
  const preset = 'strategies-collapse';
  const recipe = DEFAULT_RECIPE;
  const seed = recipeNamed(recipe).presets[preset]?.config.seed ?? 1;
  return {
    title: 'A collapse, and its guard',
    preset,
    rows: [
      { recipe, name: 'without a guard', set: {} },
      { recipe, name: 'with guard.stop', set: { 'guard.stop': true } },
    ],
    seeds: [seed],
    engine,
    collapse: true,
    made,
  };
}

/** A run of the plan, and the stored run that it is; null while there is none. */
export interface PlannedRun {
  row: ComparedRow;
  seed: number;
  config: RunConfig;
  record: RunRecord | null;
}

/** In the order in which they are played: recipe by recipe. @throws ConfigurationError */
export function plannedRuns(plan: ComparisonPlan, runs: readonly RunRecord[]): PlannedRun[] {
  const young = runs.filter(({ created, imported }) => created >= plan.made && !imported);
  const known = new Map(young.map((record) => [canonicalJson(record.config), record]));
  return plan.rows.flatMap((row) =>
    plan.seeds.map((seed): PlannedRun => {
      const config = resolveConfig(plan.preset, { ...row.set, seed }, row.recipe);
      return { row, seed, config, record: known.get(canonicalJson(config)) ?? null };
    }),
  );
}

/** The first run that is not finished; null when all are. */
export function nextRun(planned: readonly PlannedRun[]): PlannedRun | null {
  return planned.find(({ record }) => record?.status !== 'finished') ?? null;
}

/** Logs of a plan's finished runs, for `comparisonOf`. */
export function logsOf(
  planned: readonly PlannedRun[],
  eventsOf: (runId: string) => ComparedLog['events'] | undefined,
): ComparedLog[] {
  return planned.flatMap(({ row, seed, record }) => {
    const events = record?.status === 'finished' ? eventsOf(record.id) : undefined;
    return events ? [{ recipe: row.name, seed, events }] : [];
  });
}

/** "1, 2,3" → [1, 2, 3]. What is wrong with it otherwise, for people. */
export function seedsOf(text: string): number[] | string {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) return 'Give at least one seed, for example 1, 2, 3.';
  const wrong = parts.find((part) => !/^\d{1,15}$/.test(part));
  if (wrong !== undefined)
    return `“${wrong.slice(0, 20)}” is no seed. Seeds are whole numbers from 0 on, with commas between.`;
  const seeds = parts.map(Number);
  const twice = seeds.find((seed, at) => seeds.indexOf(seed) !== at);
  if (twice !== undefined) return `Seed ${twice} stands twice.`;
  return seeds.length > MOST_SEEDS ? `At most ${MOST_SEEDS} seeds fit one comparison.` : seeds;
}

const MOST_SEEDS = 50;

/** A recipe as it would take part, or why it cannot. */
export interface Offered {
  id: string;
  title: string;
  config: RunConfig | null;
  problem: string | null;
}

/** All recipes with a preset. @param set what is chosen beside it: model, task, file of problems */
export function offered(preset: string, set: Readonly<Record<string, Scalar>>): Offered[] {
  return recipes().map((recipe): Offered => {
    const { id, title } = recipe;
    if (!Object.hasOwn(recipe.presets, preset)) return { id, title, config: null, problem: 'has no such preset' };
    try {
      const config = resolveConfig(preset, set, id);
      if (recipe.asksHuman?.(config)) return { id, title, config: null, problem: 'asks a person' };
      return { id, title, config, problem: null };
    } catch (error) {
      return { id, title, config: null, problem: error instanceof Error ? error.message : String(error) };
    }
  });
}

/** Presets that a comparison may have: those of the models that come along, and those in words where a model for them is chosen. */
export function presetsOffered(inWords: boolean): { name: string; title: string; description: string }[] {
  const found = new Map<string, { name: string; title: string; description: string }>();
  for (const recipe of recipes())
    for (const [name, { title, description, config }] of Object.entries(recipe.presets))
      if (!found.has(name) && (inWords || !speaksChat(config))) found.set(name, { name, title, description });
  return [...found.values()];
}

/** Changes with what is kept: a plan of another version is not taken. */
const KEY = 'polylogue comparison 1';

/** The plan of this browser; null where there is none, or none that this version can play. */
export function keptPlan(): ComparisonPlan | null {
  try {
    const kept: unknown = JSON.parse(globalThis.localStorage?.getItem(KEY) ?? 'null');
    if (!isPlan(kept)) return null;
    plannedRuns(kept, []);
    return kept;
  } catch {
    return null;
  }
}

/** Private windows may refuse to store anything: then a reload ends the comparison, and its runs stay. */
export function keepPlan(plan: ComparisonPlan | null): void {
  try {
    if (plan === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(plan));
  } catch {
    // The comparison works without.
  }
}

function isPlan(value: unknown): value is ComparisonPlan {
  if (typeof value !== 'object' || value === null) return false;
  const { title, preset, rows, seeds, engine, made } = value as Record<string, unknown>;
  return (
    [title, preset, engine].every((one) => typeof one === 'string') &&
    typeof made === 'number' &&
    Array.isArray(seeds) &&
    seeds.length <= MOST_SEEDS &&
    seeds.every((seed) => Number.isSafeInteger(seed)) &&
    Array.isArray(rows) &&
    rows.length > 0 &&
    rows.every(isRow)
  );
}

function isRow(value: unknown): value is ComparedRow {
  if (typeof value !== 'object' || value === null) return false;
  const { recipe, name, set } = value as Record<string, unknown>;
  return typeof recipe === 'string' && typeof name === 'string' && typeof set === 'object' && set !== null;
}
