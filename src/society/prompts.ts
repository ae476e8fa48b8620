/**
 * What a turn was asked, by its kind. A function of the task, the problem and the turns that it read, so the prompts of data sets can be
 * rebuilt from the log. A new kind of turn is a row of `KINDS`.
 */
import type { Turn, Verdict } from '../events';
import type { QuotedTexts } from '../runtimes/types';
import { TaskError } from '../tasks/errors';
import type { ChatMessage, Task, Ungraded } from '../tasks/types';
import { shortenQuotes, type Quotes } from './quotes';

/** A turn as others read it. */
export type Spoken = Pick<Turn, 'kind' | 'seat' | 'text' | 'answer'>;
/** What was said before a turn. */
export interface Said {
  turns: readonly Spoken[];
  verdicts: readonly Pick<Verdict, 'by' | 'answer'>[];
}
/** A turn as far as its prompt is concerned. */
export type Asked = Pick<Turn, 'kind' | 'seat' | 'parents' | 'shortened'>;

export interface Prompt {
  messages: ChatMessage[];
  /** Present where the messages quote texts that may be cut. */
  quotes?: QuotedTexts;
}

interface Kind {
  /** A final answer is read from the response. */
  answers: boolean;
  /** What it quotes, and the messages with so much of it. */
  prompt(task: Task, problem: Ungraded, said: Said, turn: Asked): Quoting;
}

interface Quoting {
  quotes: Quotes | null;
  messages(quotes: Quotes): ChatMessage[];
}

/** Who compares with the true answer. */
export const CHECKER = 'checker';

const NO_QUOTES: Quotes = { others: [], own: null };

const KINDS: Readonly<Record<string, Kind>> = {
  /** The problem alone. */
  answer: {
    answers: true,
    prompt: (task, problem) => ({ quotes: null, messages: () => task.solvePrompt(problem) }),
  },
  /** A given response to the problem alone, read token by token: nobody answers. */
  reading: {
    answers: false,
    prompt: (task, problem) => ({ quotes: null, messages: () => task.solvePrompt(problem) }),
  },
  /** The base model's summary of what the turns say that it read. */
  summary: {
    answers: false,
    prompt: (task, problem, { turns }, { parents }) => ({
      quotes: { others: parents.map((at) => turns[at]?.text ?? ''), own: null },
      messages: ({ others }) => {
        if (!task.summarisePrompt) throw new TaskError(`task "${task.name}": has no prompt for a summary`);
        return task.summarisePrompt(
          problem,
          others.map((text) => text ?? ''),
        );
      },
    }),
  },
  /** The problem with the answer that a checker gave: a rationale for it is asked for. */
  hint: {
    answers: true,
    prompt: (task, problem, { verdicts }) => ({
      quotes: null,
      messages: () => {
        const answer = verdicts.find(({ by }) => by === CHECKER)?.answer;
        if (!task.hintPrompt || typeof answer !== 'string')
          throw new TaskError(`task "${task.name}": has no prompt with a hint`);
        return task.hintPrompt(problem, answer);
      },
    }),
  },
  /** The problem and the answer that is checked. */
  critique: {
    answers: false,
    prompt: (task, problem, { turns }, { parents: [checked] }) => ({
      quotes: { others: [], own: readOf(task, turns, checked) },
      messages: ({ own }) => {
        if (!task.verifyPrompt) throw new TaskError(`task "${task.name}": has no prompt that checks an answer`);
        return task.verifyPrompt(problem, own);
      },
    }),
  },
  /** The problem, the answer that was checked and what was found: in the compact dialect the answer that the check arrived at. */
  refinement: {
    answers: true,
    prompt: (task, problem, { turns }, { parents: [checked, critique] }) => ({
      quotes: { others: [readOf(task, turns, critique)], own: readOf(task, turns, checked) },
      messages: ({ own, others: [found = null] }) => {
        if (!task.refinePrompt) throw new TaskError(`task "${task.name}": has no prompt that improves an answer`);
        return task.refinePrompt(problem, own, found);
      },
    }),
  },
  /** The problem, the first parent (the seat's own turn before) and the other parents: other seats' turns, or one summary of them. */
  revision: {
    answers: true,
    prompt: (task, problem, { turns }, { parents: [own, ...others] }) => {
      const read = ({ answer, text }: Spoken) => (task.dialect === 'compact' ? (answer ?? null) : text);
      const before = own === undefined ? undefined : turns[own];
      const said = others.flatMap((at) => turns[at] ?? []);
      const summarised = said.some(({ kind }) => kind === 'summary');
      return {
        quotes: {
          others: said.map((turn) => (turn.kind === 'summary' ? turn.text : read(turn))),
          own: before ? read(before) : null,
        },
        messages: (quotes) =>
          task.revisePrompt(problem, quotes.own, summarised ? (quotes.others[0] ?? '') : task.summarise(quotes.others)),
      };
    },
  },
};

/** A turn as others quote it: its final answer in the compact dialect, also where none was asked for; else its text. */
function readOf(task: Task, turns: readonly Spoken[], at = -1): string | null {
  const turn = turns[at];
  if (!turn) return null;
  if (task.dialect === 'chat') return turn.text;
  return turn.answer === undefined ? task.extractAnswer(turn.text) : turn.answer;
}

/** Is a final answer read from turns of this kind? @throws TaskError for an unknown kind */
export function asksForAnswer(kind: string): boolean {
  return kindOf(kind).answers;
}

/**
 * What a turn was asked.
 * @param said in its episode, what it read at least
 * @param turn where it has been spoken, its texts are as long as they were when it was asked
 * @throws TaskError for an unknown kind, and for a kind that the task has no words for
 */
export function promptOf(task: Task, problem: Ungraded, said: Said, turn: Asked): Prompt {
  const kind = kindOf(turn.kind);
  const { quotes, messages: bare } = kind.prompt(task, problem, said, turn);
  const { introduction } = task;
  const messages =
    introduction && kind.answers ? (shown: Quotes) => introduced(bare(shown), introduction(turn.seat)) : bare;
  if (!quotes) return { messages: messages(NO_QUOTES) };
  const shown = turn.shortened ? shortenQuotes(quotes, turn.shortened) : quotes;
  // Final answers, what the compact dialect quotes, mean nothing when they are cut.
  if (task.dialect === 'compact') return { messages: messages(shown) };
  return {
    messages: messages(shown),
    quotes: {
      others: quotes.others.map((text) => text ?? ''),
      own: quotes.own ?? '',
      messages: (kept) => messages(shortenQuotes(quotes, kept)),
    },
  };
}

/** What is asked first begins with who is asked. */
function introduced([first, ...others]: ChatMessage[], who: string): ChatMessage[] {
  return first ? [{ ...first, content: `${who}\n\n${first.content}` }, ...others] : others;
}

function kindOf(kind: string): Kind {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!known) throw new TaskError(`there is no kind of turn "${kind}"; there are ${Object.keys(KINDS).join(', ')}`);
  return known;
}
