/** Settings of a society about its prompts and problems: cooperative prompts, names of seats, training on another task. */
import type { RunConfig } from './config';
import { ConfigurationError } from './errors';
import { taskNamed } from '../tasks';
import type { TaskVariant } from '../tasks/wording';
import { choice, flag } from './readers';
import type { SettingTable } from './settings';

export const WORDING = {
  'prompts.tone': {
    reader: choice('debate', 'cooperate'),
    label: 'Agents are asked to',
    line: 'In words only. Examine each other’s solutions, or work out one together. The model is the same.',
    steps: [
      { value: 'debate', label: 'examine each other’s solutions' },
      { value: 'cooperate', label: 'work out one solution together' },
    ],
    chat: true,
    section: 'expert',
    paper: 'debate',
    absent: 'debate',
  },
  'prompts.ids': {
    reader: flag(),
    label: 'A name in every prompt',
    line: 'In words only. Every prompt begins with the agent’s own letter, so that one model at all seats can tell them apart.',
    chat: true,
    section: 'expert',
    paper: false,
    absent: false,
  },
  'transfer.from': {
    reader: choice('none', 'arithmetic-chat'),
    label: 'Training problems from',
    line: 'The task’s own problems, or arithmetic in words: then nothing is learnt of the task that is tested.',
    steps: [
      { value: 'none', label: 'the task itself' },
      { value: 'arithmetic-chat', label: 'arithmetic in words' },
    ],
    chat: true,
    section: 'expert',
    paper: 'none',
    absent: 'none',
  },
} as const satisfies SettingTable;

/** Tasks in words whose answers are numbers, which arithmetic's training problems go with. */
const NUMBERS: readonly string[] = ['gsm8k', 'jsonl'];

/** @throws ConfigurationError for a task that has no other words, or no use for other problems */
export function checkWording({ task, prompts, transfer }: RunConfig & TaskVariant): void {
  const compact = taskNamed(task).dialect === 'compact';
  const why = `needs a task in words; ${task} writes its problems in signs`;
  if (compact && prompts?.tone === 'cooperate') throw new ConfigurationError('prompts.tone', why);
  if (compact && prompts?.ids) throw new ConfigurationError('prompts.ids', why);
  if (transfer?.from === 'arithmetic-chat' && !NUMBERS.includes(task))
    throw new ConfigurationError(
      'transfer.from',
      `${task} cannot be tested after training on arithmetic in words; use the task ${NUMBERS.join(' or ')}`,
    );
}
