/** The settings of the next run. A run at work has its own copy, so changing these never disturbs it. */
import type { EngineChoice, EngineSummary, ProblemsSummary } from '../lab/types';
import type { RunConfig } from '../recipes/config';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../recipes';
import { EMBEDDED_MODEL, embeddedModel } from '../recipes/presets';
import { resolveConfig, speaksChat } from '../recipes/resolve';
import type { Preset, Recipe } from '../recipes/types';
import { isFileTask, learnsElsewhere, taskNamed } from '../tasks';
import { firstPreset, presetForTask } from './data/taskPresets';
import type { KeepAdapters } from '../store/keep';
import { modelChoices } from './models/choices.svelte';
import { keptSettings, type Kept } from './keptSettings';
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
  /** Who is played by another runtime, as the setting has it. */
  seats = $state.raw<readonly string[]>([]);
  engine = $state<EngineChoice>('auto');
  /** Which adapters the run leaves in this browser; no part of its configuration. */
  keepAdapters = $state<KeepAdapters>('all');

  /** What a preset could not keep of the visitor's choices, and why; null = nothing. */
  note = $state<string | null>(null);

  constructor() {
    this.usePreset(this.#firstPreset(false));
    this.#restore();
  }

  /** What the form holds, for a reload of this tab. */
  get kept(): Kept {
    const { recipe, preset, model, ignoreConfig, task, problems, seed, values, engine, keepAdapters } = this;
    return { recipe, preset, model, ignoreConfig, task, problems, seed, values, engine, keepAdapters };
  }

  /** As the form was before the page was loaded again; what this version does not take is left as the preset has it. */
  #restore(): void {
    const kept = keptSettings();
    if (!kept || !recipes().some(({ id }) => id === kept.recipe)) return;
    const before = this.kept;
    this.recipe = kept.recipe;
    if (!Object.hasOwn(this.known.presets, kept.preset)) return void Object.assign(this, before);
    Object.assign(this, kept);
    const { config } = this;
    if (config.ok === null && !config.todo) Object.assign(this, before);
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
    const { model, task } = this;
    this.preset = name;
    if (!speaksChat(config)) this.#takeModel(config.model, []);
    this.task = config.task;
    this.values = valuesOf(this.known, config);
    this.note = this.#lost(model, task);
  }

  /** What was chosen before and cannot stay. */
  #lost(model: string, task: string): string | null {
    const lost = [
      ...(model !== this.model && !embeddedModel(model)
        ? ['The model that you chose answers in words; this preset is played by one that comes with the page.']
        : []),
      ...(task !== this.task && this.problems[task]
        ? [`Your file ${this.problems[task].name} stays with the task ${taskNamed(task).title}.`]
        : []),
    ];
    return lost.length > 0 ? lost.join(' ') : null;
  }

  /**
   * Before anything was chosen: the smallest preset where the quick one would take minutes. The exact engine plays the quick one in well
   * under a minute on two idle cores.
   */
  fitTo(engine: Pick<EngineSummary, 'kind' | 'software'>, cores: number): void {
    const slow = engine.kind === 'exact' ? cores < 2 : engine.kind !== 'webgpu' || engine.software;
    const tiny = this.preset.replace(/-quick$/, '-tiny');
    if (slow && Object.hasOwn(this.known.presets, tiny)) this.usePreset(tiny);
  }

  /** Takes over a whole configuration. Its file of problems has to be given, where this browser does not have it. */
  useConfig(config: RunConfig): void {
    this.recipe = config.recipe;
    this.usePreset(config.preset);
    this.#takeModel(config.model, config.ignoreConfig ?? []);
    this.task = config.task;
    this.seed = config.seed;
    this.seats = config.seats ?? [];
    this.values = valuesOf(this.known, config);
  }

  /** Takes another model, and where it does not speak the preset's dialect also a preset that it does. */
  useModel(model: string, ignore?: readonly string[]): void {
    const own = embeddedModel(model);
    if (own && own.task !== this.task) this.useTask(own.task);
    else if (!own && this.start && !speaksChat(this.start.config)) this.usePreset(this.#firstPreset(true));
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
        ...(this.seats.length > 0 && { seats: this.seats.join(',') }),
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
  #wrongTogether(config: RunConfig): string | null {
    const { evaluationProblems, model, data } = config;
    const held = this.data?.problems ?? 0;
    const trainProblems = learnsElsewhere(config) ? 0 : config.trainProblems;
    if (data && trainProblems + evaluationProblems > held) {
      return (
        `${data.name} holds ${held.toLocaleString('en')} problems, fewer than the ${trainProblems} for training and the ` +
        `${evaluationProblems} held out. Lower one of the two numbers.`
      );
    }
    const own = embeddedModel(model);
    if (own && this.inWords) {
      return (
        'This task is asked in words, and the embedded model knows only the signs of its own sums. Choose an instruct ' +
        `model under Models, or the task ${taskNamed(own.task).title}.`
      );
    }
    return null;
  }
}
