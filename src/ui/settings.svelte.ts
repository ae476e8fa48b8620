/** The settings of the next run. A run at work has its own copy, so changing these never disturbs it. */
import type { EngineChoice, ProblemsSummary } from '../lab/types';
import type { ExperimentConfig } from '../recipes/config';
import { EMBEDDED_MODEL, PRESETS } from '../recipes/presets';
import { resolveConfig } from '../recipes/resolve';
import { isFileTask, taskNamed } from '../tasks';
import { presetForTask } from './data/taskPresets';
import type { KeepAdapters } from '../store/keep';
import { modelChoices } from './models/choices.svelte';
import { CHAT_FIELDS, FIELDS, settingAt, type SettingValue } from './settingFields';

const FIRST_PRESET = 'arithmetic-quick';
/** For a model that was chosen while a preset of the embedded one was set. */
const FIRST_CHAT_PRESET = 'arithmetic-chat-quick';

export class Settings {
  preset = $state(FIRST_PRESET);
  /** See src/models/address.ts. */
  model = $state(EMBEDDED_MODEL);
  /** Keys of the model's config.json that the visitor chose to ignore. */
  ignoreConfig = $state.raw<readonly string[]>([]);
  task = $state('arithmetic');
  /** What was read of the files of problems, by the task that read them. */
  problems = $state.raw<Record<string, ProblemsSummary>>({});
  /** Null while the field is empty. */
  seed = $state<number | null>(1);
  /** By dotted key. */
  values = $state<Record<string, SettingValue>>({});
  singleAgentBaseline = $state(true);
  engine = $state<EngineChoice>('auto');
  /** Which adapters the run leaves in this browser; no part of its configuration. */
  keepAdapters = $state<KeepAdapters>('all');

  constructor() {
    this.usePreset(FIRST_PRESET);
  }

  /** Takes over everything of a preset but the seed; a chosen model stays if it speaks the preset's dialect. */
  usePreset(name: string): void {
    const config = PRESETS[name]?.config;
    if (!config) return;
    this.preset = name;
    if (!isChat(name)) this.#takeModel(config.model, []);
    this.task = config.task;
    const fields = this.inWords ? [...FIELDS, ...CHAT_FIELDS] : FIELDS;
    this.values = Object.fromEntries(fields.map(({ key }) => [key, settingAt(config, key)]));
    this.singleAgentBaseline = config.singleAgentBaseline;
  }

  /** Takes another model, and where it does not speak the preset's dialect also a preset that it does. */
  useModel(model: string, ignore?: readonly string[]): void {
    const own = model === EMBEDDED_MODEL;
    if (isChat(this.preset) === own) this.usePreset(own ? FIRST_PRESET : FIRST_CHAT_PRESET);
    this.#takeModel(model, ignore ?? modelChoices.others.find(({ address }) => address === model)?.ignore ?? []);
  }

  #takeModel(model: string, ignore: readonly string[]): void {
    this.model = model;
    this.ignoreConfig = ignore;
  }

  set(key: string, value: SettingValue): void {
    this.values[key] = value;
    // Two of two can agree, three of two cannot.
    if (key === 'agents') this.values['minimumVotes'] = Math.min(Number(this.values['minimumVotes']), Number(value));
  }

  /** Changes the task, and the preset with it where it is made for another kind of task. */
  useTask(name: string): void {
    const preset = presetForTask(name, this.preset);
    if (preset !== this.preset) this.usePreset(preset);
    this.task = name;
  }

  /** The task is played in words, by an instruct model. */
  get inWords(): boolean {
    return taskNamed(this.task).dialect === 'chat';
  }

  /** What was read of the task's file of problems; null when there is none yet. */
  get data(): ProblemsSummary | null {
    return this.problems[this.task] ?? null;
  }

  /** null takes the file away. */
  useProblems(task: string, summary: ProblemsSummary | null): void {
    const { [task]: _before, ...others } = this.problems;
    this.problems = summary ? { ...others, [task]: summary } : others;
  }

  throwDice(): void {
    this.seed = crypto.getRandomValues(new Uint32Array(1))[0]! % 100_000;
  }

  /** The configuration, or why there is none. */
  get config():
    | { ok: ExperimentConfig; problem: null }
    | { ok: null; problem: string; /** Something is still to be chosen. */ todo: boolean } {
    const { seed, model, ignoreConfig, singleAgentBaseline, task, data } = this;
    const reads = isFileTask(taskNamed(task));
    if (reads && !data) {
      return { ok: null, problem: 'This task needs a file of problems: choose or load one above.', todo: true };
    }
    try {
      const ok = resolveConfig(this.preset, {
        ...this.values,
        model,
        task,
        ...(ignoreConfig.length > 0 && { ignoreConfig: ignoreConfig.join(',') }),
        ...(reads && data && { 'data.name': data.name, 'data.sha256': data.sha256 }),
        seed: seed ?? '',
        singleAgentBaseline,
      });
      const problem = this.#wrongTogether(ok);
      return problem === null ? { ok, problem } : { ok: null, problem, todo: false };
    } catch (error) {
      return { ok: null, problem: error instanceof Error ? error.message : String(error), todo: false };
    }
  }

  /** What the recipe cannot know: how much the file holds, and what the embedded model speaks. */
  #wrongTogether({ trainProblems, evaluationProblems, model, data }: ExperimentConfig): string | null {
    const held = this.data?.problems ?? 0;
    if (data && trainProblems + evaluationProblems > held) {
      return (
        `${data.name} holds ${held.toLocaleString('en')} problems; ${trainProblems} for training and ${evaluationProblems} ` +
        'held out are more. Lower one of them.'
      );
    }
    if (this.inWords && model === EMBEDDED_MODEL) {
      return (
        'This task is asked in words, and the embedded model knows only the signs of its own arithmetic. Choose an instruct ' +
        'model under Models, or the task Arithmetic.'
      );
    }
    return null;
  }
}

/** Is the preset for instruct models? */
function isChat(preset: string): boolean {
  return PRESETS[preset]?.config.summary !== undefined;
}
