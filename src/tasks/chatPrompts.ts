/**
 * Prompts of the chat dialect: the structure of arXiv 2501.05707's (solve, summarise, critic with and without summary), in
 * words of this lab. A critic goes on in the conversation of its slot: it sees the slot's previous response as its own turn.
 */
import type { ChatMessage, Task, Ungraded } from './types';

/** What stands for a response without any text. */
const NOTHING = '(no response)';

/** @param answerForm what goes into the box, as the end of a sentence: "a single number". */
export function chatPrompts(
  answerForm: string,
): Required<
  Pick<Task, 'solvePrompt' | 'summarise' | 'summarisePrompt' | 'revisePrompt' | 'judgePrompt' | 'hintPrompt'>
> {
  const box = `End with the final answer, ${answerForm}, in the form \\boxed{answer}.`;
  const solvePrompt = ({ question }: Ungraded): ChatMessage[] => [
    user(`Solve this problem.\n\n${question}\n\nGive your reasoning in short steps, one on each line. ${box}`),
  ];
  return {
    solvePrompt,
    summarise: (others) => listed('Agent', others),
    summarisePrompt: ({ question }, others) => [
      user(
        `Several agents gave their opinions on this problem:\n\n${question}\n\n${listed('Opinion', others)}\n\n` +
          'Summarise the different opinions. For each one say which final answer it gives and explain the reasoning that ' +
          'leads to it. Do not add an opinion of your own.',
      ),
    ],
    revisePrompt: (problem, own, summary) => [
      ...solvePrompt(problem),
      { role: 'assistant', content: own?.trim() ? own : NOTHING },
      user(
        `This is what the other agents found for the same problem:\n\n${summary}\n\n` +
          `The problem again:\n\n${problem.question}\n\n` +
          'Take their solutions as advice: examine each of them and your own, say where a step is wrong, and give your ' +
          `updated reasoning in short steps, one on each line. ${box}`,
      ),
    ],
    hintPrompt: (problem, answer) => [
      user(
        `Solve this problem.\n\n${problem.question}\n\nThe right answer is ${answer}. Give the reasoning that leads to it in short ` +
          `steps, one on each line. ${box}`,
      ),
    ],
    judgePrompt: ({ question }, responses) => [
      user(
        `Several agents answered this problem:\n\n${question}\n\n${listed('Agent', responses)}\n\n` +
          `Judge their solutions: check the steps of each and decide which final answer is right. ${box}`,
      ),
    ],
  };
}

/** Texts under numbered titles in fences that no text can close. */
function listed(title: string, texts: readonly (string | null)[]): string {
  return texts
    .map((text, index) => {
      const content = text?.trim() ? text.trim() : NOTHING;
      let longest = 2;
      for (const [run] of content.matchAll(/`+/g)) longest = Math.max(longest, run.length);
      const fence = '`'.repeat(longest + 1);
      return `${title} ${index + 1}:\n${fence}\n${content}\n${fence}`;
    })
    .join('\n\n');
}

function user(content: string): ChatMessage {
  return { role: 'user', content };
}
