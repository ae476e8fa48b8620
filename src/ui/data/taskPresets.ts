/** Which preset of a recipe a task starts from. */
import { speaksChat } from '../../recipes/resolve';
import type { Recipe } from '../../recipes/types';

/** What small presets have at the end of their names. */
const sizeOf = (preset: string) => /-(quick|tiny)$/.exec(preset)?.[0] ?? '';

/**
 * The preset to go to when a task is chosen: the present one where it is made for this task or has the settings of its kind,
 * otherwise the task's own, as large as the present one if possible. A task without presets takes the last quick one of its kind.
 */
export function presetForTask({ presets }: Pick<Recipe, 'presets'>, task: string, present: string): string {
  const now = presets[present]?.config.task;
  if (now === task) return present;
  const own = Object.keys(presets).filter((name) => presets[name]?.config.task === task);
  const ofSize = (size: string) => own.find((name) => sizeOf(name) === size);
  const fitting = ofSize(sizeOf(present)) ?? ofSize('-quick') ?? own[0];
  if (fitting !== undefined) return fitting;
  const inWords = speaksChat({ task });
  if (now !== undefined && speaksChat({ task: now }) === inWords) return present;
  return firstPreset({ presets }, inWords, true) ?? present;
}

/** A quick preset of a recipe for tasks in words, or for the others; null where it has none. @param last the last one of them */
export function firstPreset({ presets }: Pick<Recipe, 'presets'>, inWords: boolean, last = false): string | null {
  const fitting = Object.keys(presets).filter((name) => speaksChat(presets[name]!.config) === inWords);
  const quick = fitting.filter((name) => sizeOf(name) === '-quick');
  return (last ? quick.at(-1) : quick[0]) ?? fitting[0] ?? null;
}
