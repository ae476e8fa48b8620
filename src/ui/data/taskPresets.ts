/** Which preset a task starts from. */
import { PRESETS } from '../../recipes/presets';
import { taskNamed } from '../../tasks';

/** For tasks in words that have no preset of their own. */
const ANY_CHAT = 'gsm8k-quick';

const isSmall = (preset: string) => /-(quick|tiny)$/.test(preset);

/**
 * The preset to go to when a task is chosen: the present one where it is made for this task or has the settings of its kind,
 * otherwise the task's own, as large as the present one if possible.
 */
export function presetForTask(task: string, present: string): string {
  const now = PRESETS[present]?.config.task;
  if (now === task) return present;
  const own = Object.keys(PRESETS).filter((name) => PRESETS[name]?.config.task === task);
  const sameSize = own.find((name) => isSmall(name) === isSmall(present));
  if (sameSize ?? own[0]) return (sameSize ?? own[0]) as string;
  const sameKind = now !== undefined && taskNamed(now).dialect === taskNamed(task).dialect;
  return sameKind ? present : ANY_CHAT;
}
