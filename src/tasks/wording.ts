/** A task in other words, and a task whose training problems are another's: settings of multiagent finetuning that concern the task alone. */
import { arithmeticChat } from './arithmeticChat';
import type { Task } from './types';

export interface TaskVariant {
  prompts?: { tone?: 'debate' | 'cooperate' | undefined; ids?: boolean | undefined } | undefined;
  transfer?: { from?: 'none' | 'arithmetic-chat' | undefined } | undefined;
}

/** Ids of the other task's problems begin here, since a file's problems have ids of their own below 2^32. */
const OTHER_IDS = 2 ** 31;

/**
 * The task with what a configuration changes of it.
 *
 * `prompts.tone=cooperate`: agents that revise are asked to work out one answer together, in place of examining each other's (arXiv 2501.05707,
 * appendix D; its words are not those of the paper). `prompts.ids`: every prompt that asks for an answer begins with the seat's own name
 * (appendix E.2). `transfer.from`: training problems come from that task, with this one's prompts and reading of answers; held-out problems are
 * this task's own, of which nothing is learnt.
 * @param taken ids that problems of another task may not have
 */
export function variantOf<T extends Task>(task: T, config: TaskVariant, taken: ReadonlySet<number> = new Set()): T {
  const { tone = 'debate', ids = false } = config.prompts ?? {};
  const { from = 'none' } = config.transfer ?? {};
  if (tone === 'debate' && !ids && from === 'none') return task;
  return {
    ...task,
    ...(tone === 'cooperate' && task.cooperatePrompt && { revisePrompt: task.cooperatePrompt }),
    ...(ids && { introduction: seatName }),
    ...(from === 'arithmetic-chat' && { problems: trainedElsewhere(task, taken) }),
  };
}

/** Who a seat is, for a prompt: letters as the page has them. */
function seatName(seat: number): string {
  return `You are agent ${String.fromCharCode(65 + (seat % 26))}${seat < 26 ? '' : Math.floor(seat / 26)}.`;
}

function trainedElsewhere(task: Task, taken: ReadonlySet<number>): Task['problems'] {
  return (split, count, seed, iteration) => {
    if (split === 'evaluation') return task.problems(split, count, seed, iteration);
    // A longer list begins with the shorter one, so problems whose ids are taken are left out of any.
    for (let more = 0; ; more += 16) {
      const drawn = arithmeticChat.problems(split, count + more, seed, iteration);
      const free = drawn.map((one) => ({ ...one, id: one.id + OTHER_IDS })).filter(({ id }) => !taken.has(id));
      if (free.length >= count) return free.slice(0, count);
    }
  };
}
