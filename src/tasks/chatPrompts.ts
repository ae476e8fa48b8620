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
  Pick<
    Task,
    | 'solvePrompt'
    | 'summarise'
    | 'summarisePrompt'
    | 'revisePrompt'
    | 'cooperatePrompt'
    | 'judgePrompt'
    | 'hintPrompt'
    | 'verifyPrompt'
    | 'refinePrompt'
    | 'stated'
  >
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
    cooperatePrompt: (problem, own, summary) => [
      ...solvePrompt(problem),
      { role: 'assistant', content: own?.trim() ? own : NOTHING },
      user(
        `You work on this problem together with other agents. This is what they have so far:\n\n${summary}\n\n` +
          `The problem again:\n\n${problem.question}\n\n` +
          'Put their work and yours together: keep every step that helps, add what is missing, and give the solution that all of ' +
          `you would stand by, in short steps, one on each line. ${box}`,
      ),
    ],
    hintPrompt: (problem, answer) => [
      user(
        `Solve this problem.\n\n${problem.question}\n\nThe right answer is ${answer}. Give the reasoning that leads to it in short ` +
          `steps, one on each line. ${box}`,
      ),
    ],
    verifyPrompt: ({ question }, own) => [
      user(
        `Check a solution of this problem.\n\n${question}\n\n${fenced('Solution', own)}\n\n` +
          'Go through it step by step. Name the first step that is wrong and say what is right there, or say that every step ' +
          'holds.',
      ),
    ],
    refinePrompt: ({ question }, own, critique) => [
      user(
        `Improve a solution of this problem.\n\n${question}\n\n${fenced('Solution', own)}\n\n${fenced('Check', critique)}\n\n` +
          'Take the check as advice: correct what is wrong and keep what is right. Give your reasoning in short steps, one on ' +
          `each line. ${box}`,
      ),
    ],
    stated: (answer) => `\\boxed{${answer}}`,
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
  return texts.map((text, index) => fenced(`${title} ${index + 1}`, text)).join('\n\n');
}

/** A text under a title, in a fence that it cannot close. */
function fenced(title: string, text: string | null): string {
  const content = text?.trim() ? text.trim() : NOTHING;
  let longest = 2;
  for (const [run] of content.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const fence = '`'.repeat(longest + 1);
  return `${title}:\n${fence}\n${content}\n${fence}`;
}

function user(content: string): ChatMessage {
  return { role: 'user', content };
}
