/** A turn as it is learnt, in runs and by the command `train` alike. */
import type { Turn } from '../backends/tokenizer';
import type { TrainExample } from '../engine/types';

/**
 * Prompt ids, completion ids and the end token; weight 1 on completion and end, 0 on the prompt.
 * A text may have more tokens than were sampled, so what is beyond the longest sequence is left out: the end token first.
 * @param end null where the completion was cut before its end, or nothing ends it
 * @param most tokens of a sequence
 */
export function trainExample({ prompt, completion }: Turn, end: number | null, most = Infinity): TrainExample {
  const whole = end === null ? completion : [...completion, end];
  const learnt = whole.slice(0, Math.max(0, most - prompt.length));
  return { ids: [...prompt, ...learnt], weights: [...prompt.map(() => 0), ...learnt.map(() => 1)] };
}
