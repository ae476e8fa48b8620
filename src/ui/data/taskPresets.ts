/** Which preset a task starts from. */
import { PRESETS } from '../../recipes/presets';
import { taskNamed } from '../../tasks';

/** For tasks in words that have no preset of their own. */
const ANY_CHAT = 'gsm8k-quick';

/** What small presets have at the end of their names. */
const sizeOf = (preset: string) => /-(quick|tiny)$/.exec(preset)?.[0] ?? '';

/**
 * The preset to go to when a task is chosen: the present one where it is made for this task or has the settings of its kind,
 * otherwise the task's own, as large as the present one if possible.
 */
export function presetForTask(task: string, present: string): string {
  const now = PRESETS[present]?.config.task;
  if (now === task) return present;
  const own = Object.keys(PRESETS).filter((name) => PRESETS[name]?.config.task === task);
  const ofSize = (size: string) => own.find((name) => sizeOf(name) === size);
  const fitting = ofSize(sizeOf(present)) ?? ofSize('-quick') ?? own[0];
  if (fitting !== undefined) return fitting;
  const sameKind = now !== undefined && taskNamed(now).dialect === taskNamed(task).dialect;
  return sameKind ? present : ANY_CHAT;
}
