/** Numbers and states in words. */
import type { LoadProgress } from '../lab/host/engineHost';
import type { Activity, EngineChoice, EngineSummary, LabStatus } from '../lab/types';
import type { RunConfig } from '../recipes/config';
import type { Recipe } from '../recipes/types';
import { settingOf } from '../recipes/resolve';
import type { RunRecord, RunStatus } from '../store/types';
import { bytesText } from './bytes';
import { inSentence, learnerLook } from './looks';
import { castOf, debates, recipeOf } from './readings/runCast';
import { fieldsOf } from './settingFields';

/** 0.4167 → "41.7 %" */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** 0.0833 → "+8.3" */
export function signedPoints(difference: number): string {
  const points = (100 * difference).toFixed(1);
  if (difference === 0) return points;
  return difference > 0 ? `+${points}` : `−${points.slice(1)}`;
}

/** Ends of an interval of differences: "−1.0 to +7.5" */
export function pointsRange([low, high]: readonly [number, number]): string {
  return `${signedPoints(low)} to ${signedPoints(high)}`;
}

/** The same text, in which no line ends between a number and its percent sign or within "p = 0.03". */
export function unbroken(text: string): string {
  return text.replace(/(\d) %/g, '$1\u00a0%').replace(/\bp ([=<]) (?=\d)/g, 'p\u00a0$1\u00a0');
}

/** 75 → "1 min 15 s" */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Times are rough, and look it: 63 → "65 s", 3000 → "50 min". */
export function roughTime(seconds: number): string {
  if (seconds < 90) return `${Math.max(5, Math.round(seconds / 5) * 5)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Number((seconds / 3600).toPrecision(2))} h`;
}

/** Ends of a range that differ by less are one time. */
const ONE_TIME = 1.4;

/** "about 4 min left", or a range until it is known; '' while nothing can be said. */
export function remainingText({ secondsRange }: Pick<LabStatus, 'secondsRange'>): string {
  if (!secondsRange) return '';
  const [low, high] = secondsRange;
  const [from, to] = [roughTime(low), roughTime(high)];
  return from === to || high < ONE_TIME * low
    ? `about ${roughTime((low + high) / 2)} left`
    : `${rangeText(from, to)} left`;
}

/** "5 to 35 s", "80 s to 2 min" */
export function rangeText(from: string, to: string): string {
  const [number, unit] = from.split(' ');
  return to.endsWith(` ${unit}`) ? `${number} to ${to}` : `${from} to ${to}`;
}

/** A true minus sign, as the rest of the page has. */
export function answerText(answer: string | null): string {
  return answer === null ? 'unreadable' : answer.replace('-', '−');
}

/** "1.2 MB of 12.6 MB, about 9 s left" */
export function loadingText({ doneBytes, totalBytes, secondsLeft }: LoadProgress): string {
  const done = `${bytesText(doneBytes)} of ${bytesText(totalBytes)}`;
  return secondsLeft === null ? done : `${done}, about ${duration(secondsLeft)} left`;
}

/** One sentence on what is happening now. */
export function activityText(activity: Activity | null, config: RunConfig | null): string {
  if (!activity) return '';
  if (activity.kind === 'preparing') {
    const { what, bytes } = activity;
    return bytes ? `${what}: ${loadingText(bytes)}…` : `${what}…`;
  }
  const iteration = `Iteration ${activity.iteration}${config ? ` of ${config.iterations}` : ''}`;
  if (activity.kind === 'finetune') return `${iteration}: finetuning, step ${activity.step} of ${activity.totalSteps}`;
  const name = config ? learnerLook(castOf(config), activity.learner).name : activity.learner;
  const what =
    activity.purpose === 'train'
      ? `${name} ${config && debates(castOf(config), activity.learner) ? 'debates' : 'answers'} training problems`
      : `${name} is evaluated on held-out problems`;
  const where = activity.iteration === 0 ? 'Before finetuning' : iteration;
  const done = `${activity.problemsDone} of ${activity.problems} problems done`;
  return `${where}: ${what}, round ${activity.round}, ${done}`;
}

export function stateText(status: LabStatus): string {
  const texts: Record<LabStatus['state'], string> = {
    idle: 'Nothing is running',
    loading: 'Loading',
    replaying: 'Reading the stored log',
    running: 'Running',
    pausing: 'Pausing after the current operation',
    paused: 'Paused',
    stopping: 'Stopping',
  };
  return texts[status.state];
}

export function engineText(engine: EngineSummary): string {
  if (engine.kind === 'exact') return `the exact engine (${engine.device} on the processor)`;
  if (engine.kind !== 'webgpu') return `the reference engine (${engine.device})`;
  return engine.software ? `WebGPU without a GPU (${engine.device})` : `WebGPU (${engine.device})`;
}

/** An engine that was asked for has no reason; why there is no GPU is known from before all the same. */
export function sinceKnown(known: EngineSummary | null, now: EngineSummary): EngineSummary {
  const reason = known?.kind === 'exact' && now.kind === 'exact' ? known.fallbackReason : null;
  return now.fallbackReason === null && reason !== null ? { ...now, fallbackReason: reason } : now;
}

/** What a run that starts now is computed by, in a few words. @param known what is known of the device; null = nothing yet */
export function engineName(choice: EngineChoice, known: EngineSummary | null): string {
  const names = { webgpu: 'WebGPU', exact: 'the exact engine', reference: 'the reference engine' };
  if (choice !== 'auto') return names[choice];
  if (known?.kind === 'webgpu' && !known.software) return names.webgpu;
  return known?.kind === 'exact' && known.fallbackReason !== null ? names.exact : 'WebGPU or the exact engine';
}

/** Why a run that starts now is computed by that engine: a sentence or two. @param needsExact WebGPU refuses its settings */
export function engineReason(choice: EngineChoice, known: EngineSummary | null, needsExact = false): string {
  if (needsExact && choice === 'auto') return 'Here the exact engine: these settings need what it alone gives.';
  if (needsExact && choice === 'webgpu') return 'You chose it, but these settings need the exact engine.';
  if (choice === 'exact') return 'You chose it. It computes on every core of the processor.';
  if (choice !== 'auto') return 'You chose it.';
  if (known?.kind === 'webgpu' && !known.software) {
    return `WebGPU has the GPU ${known.device}. A small model is tried on both, and the faster engine computes it.`;
  }
  if (known?.kind !== 'exact' || known.fallbackReason === null) return 'It is chosen when the run starts.';
  return `Here the exact engine: ${known.fallbackReason}.`;
}

/** "Multiagent finetuning · Arithmetic, quick · 3 agents · 2 debate rounds · 3 iterations · 100 training and 100 held-out problems · seed 7" */
export function settingsText(config: RunConfig): string {
  const { preset, seed, iterations, trainProblems, evaluationProblems } = config;
  const recipe = recipeOf(config);
  return [
    recipe?.title ?? config.recipe,
    recipe?.presets[preset]?.title ?? preset,
    ...(recipe ? ownSettings(config, recipe) : []),
    // Where nothing is learnt there are no training problems.
    ...(iterations === 0
      ? [counted(evaluationProblems, 'held-out problem')]
      : [counted(iterations, 'iteration'), `${trainProblems} training and ${evaluationProblems} held-out problems`]),
    `seed ${seed}`,
  ].join(' · ');
}

/** The recipe's own main settings: "3 agents", "no hints", "order: random". */
function ownSettings(config: RunConfig, recipe: Recipe): string[] {
  return fieldsOf(recipe)
    .filter(({ key, section }) => section === 'main' && Object.hasOwn(recipe.settings, key))
    .flatMap(({ key, label, accepts, options }) => {
      const absent = recipe.settings[key]?.absent;
      const value = settingOf(config, key);
      // What need not be set is said where it was.
      if (value === absent) return [];
      const noun = inSentence(label);
      if (value === undefined || value === null) return [];
      if (accepts.type === 'integer')
        return [noun.endsWith('s') ? counted(Number(value), noun.slice(0, -1)) : `${noun}: ${value}`];
      if (accepts.type === 'flag') return [value ? noun : `no ${noun}`];
      if (Array.isArray(value)) return [`${noun}: ${value.join(', ')}`];
      return [`${noun}: ${inBrackets(options?.find((option) => option.value === value)?.label ?? String(value))}`];
    });
}

/** A choice with its explanation, to stand after a colon: "hard: one answer" → "hard (one answer)". */
function inBrackets(label: string): string {
  return label.replace(/^([^:]+): (.+)$/, '$1 ($2)');
}

/** 1, "agent" → "1 agent"; 3, "agent" → "3 agents" */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const STATUSES: Record<RunStatus, string> = {
  // Its tab was closed.
  running: 'Interrupted',
  paused: 'Paused',
  finished: 'Finished',
  stopped: 'Stopped',
  failed: 'Failed',
};

/** Of a run that is not at work. */
export function statusText(status: RunStatus): string {
  return STATUSES[status];
}

export function createdText(run: RunRecord): string {
  return new Date(run.created).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
