/** The settings of the next run. A run at work has its own copy, so changing these never disturbs it. */
import type { EngineChoice, ProblemsSummary } from '../lab/types';
import type { RunConfig } from '../recipes/config';
import { DEFAULT_RECIPE, recipeNamed } from '../recipes';
import { EMBEDDED_MODEL } from '../recipes/presets';
import { resolveConfig, speaksChat } from '../recipes/resolve';
import type { Preset, Recipe } from '../recipes/types';
import { isFileTask, taskNamed } from '../tasks';
import { firstPreset, presetForTask } from './data/taskPresets';
import type { KeepAdapters } from '../store/keep';
import { modelChoices } from './models/choices.svelte';
import { carriedOver, fieldsOf, valuesOf, type SettingField, type SettingValue } from './settingFields';

export class Settings {
  /** Id of the recipe. */
  recipe = $state(DEFAULT_RECIPE);
  preset = $state('');
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
  engine = $state<EngineChoice>('auto');
  /** Which adapters the run leaves in this browser; no part of its configuration. */
  keepAdapters = $state<KeepAdapters>('all');

  constructor() {
    this.usePreset(this.#firstPreset(false));
  }

  /** What the recipe says of itself. */
  get known(): Recipe {
    return recipeNamed(this.recipe);
  }

  /** Of the preset in force. */
  get start(): Preset | undefined {
    return this.known.presets[this.preset];
  }

  /** The fields that the task has. */
  get fields(): SettingField[] {
    return fieldsOf(this.known).filter(({ chat }) => this.inWords || !chat);
  }

  /** Takes another recipe, and its preset of the same name. What was changed stays changed where both recipes have the setting. */
  useRecipe(id: string): void {
    const { task, model, ignoreConfig, values } = this;
    const earlier = this.start ? valuesOf(this.known, this.start.config) : {};
    this.recipe = id;
    const same = Object.hasOwn(this.known.presets, this.preset);
    this.usePreset(same ? this.preset : this.#firstPreset(speaksChat({ task })));
    if (speaksChat({ task }) === this.inWords) {
      this.task = task;
      this.#takeModel(model, ignoreConfig);
    }
    this.values = carriedOver(values, earlier, this.values);
  }

  /** Takes over everything of a preset but the seed; a chosen model stays if it speaks the preset's dialect. */
  usePreset(name: string): void {
    const config = this.known.presets[name]?.config;
    if (!config) return;
    this.preset = name;
    if (!speaksChat(config)) this.#takeModel(config.model, []);
    this.task = config.task;
    this.values = valuesOf(this.known, config);
  }

  /** Takes another model, and where it does not speak the preset's dialect also a preset that it does. */
  useModel(model: string, ignore?: readonly string[]): void {
    const own = model === EMBEDDED_MODEL;
    if (this.start && speaksChat(this.start.config) === own) this.usePreset(this.#firstPreset(!own));
    this.#takeModel(model, ignore ?? modelChoices.others.find(({ address }) => address === model)?.ignore ?? []);
  }

  #firstPreset(inWords: boolean): string {
    return firstPreset(this.known, inWords) ?? Object.keys(this.known.presets)[0] ?? '';
  }

  #takeModel(model: string, ignore: readonly string[]): void {
    this.model = model;
    this.ignoreConfig = ignore;
  }

  set(key: string, value: SettingValue): void {
    this.values[key] = value;
  }

  /** Changes the task, and the preset with it where it is made for another kind of task. */
  useTask(name: string): void {
    const preset = presetForTask(this.known, name, this.preset);
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
    | { ok: RunConfig; problem: null }
    | { ok: null; problem: string; /** Something is still to be chosen. */ todo: boolean } {
    const { seed, model, ignoreConfig, task, data, recipe } = this;
    const reads = isFileTask(taskNamed(task));
    if (reads && !data) {
      return { ok: null, problem: 'This task needs a file of problems: choose or load one above.', todo: true };
    }
    try {
      const overrides = {
        ...this.values,
        model,
        task,
        ...(ignoreConfig.length > 0 && { ignoreConfig: ignoreConfig.join(',') }),
        ...(reads && data && { 'data.name': data.name, 'data.sha256': data.sha256 }),
        seed: seed ?? '',
      };
      const ok = resolveConfig(this.preset, overrides, recipe);
      const problem = this.#wrongTogether(ok);
      return problem === null ? { ok, problem } : { ok: null, problem, todo: false };
    } catch (error) {
      return { ok: null, problem: error instanceof Error ? error.message : String(error), todo: false };
    }
  }

  /** What the recipe cannot know: how much the file holds, and what the embedded model speaks. */
  #wrongTogether({ trainProblems, evaluationProblems, model, data }: RunConfig): string | null {
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
