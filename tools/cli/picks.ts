/** A person at a terminal who compares two answers, and picks from a file. */
import { FileError } from '../../src/engine/errors';
import { groupName, type EpisodeKey } from '../../src/events';
import { pickOf, type HumanJudge, type Pick, type PickQuestion, type Shown } from '../../src/recipes/human';
import { recipeNamed } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { cutEnd, cutSentence } from '../../src/share/cutLog';
import { textLines } from '../../src/tasks/textLines';
import { UsageError } from './args';
import type { Output } from './output';
import { readBytes } from './session';
import { theDesk } from './surroundings';

/** A line of a file of picks, as `run --json` prints them. A is the text that is shown first. */
interface PickLine extends EpisodeKey {
  pick: Shown;
}

const FORM = '{"purpose": "train", "learner": "policy", "iteration": 1, "problem": 7, "pick": "A", "B" or "none"}';
const LETTERS: Readonly<Record<string, Shown>> = { a: 'A', b: 'B', n: 'none' };

/**
 * Picks by the pair that they are of. A last line without a line feed that is no JSON was cut as it was appended: it is left out.
 * @param file as messages name it
 * @param note is told of the line that was left out
 * @throws FileError naming the line, and what a line holds
 */
export function readPicks(file: string, bytes: Uint8Array, note: (text: string) => void): Map<string, Shown> {
  const picks = new Map<string, Shown>();
  // Lines that a person wrote end; a mistake in one is said.
  const ending = bytes.at(-1) === 0x0a ? null : cutEnd(bytes);
  if (ending) note(`${cutSentence(file, ending.cut)} Its pair is asked again.`);
  textLines(file, ending?.whole ?? bytes).forEach((line, at) => {
    if (line.trim() === '') return;
    const refuse = (what: string): never => {
      throw new FileError(file, `line ${at + 1} ${what}; a line is ${FORM}`);
    };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      refuse('is not JSON');
    }
    if (!isPickLine(value)) return refuse('is no pick');
    const name = nameOf(value);
    if (picks.has(name)) refuse(`picks again for ${name}`);
    picks.set(name, value.pick);
  });
  return picks;
}

function isPickLine(value: unknown): value is PickLine {
  if (typeof value !== 'object' || value === null) return false;
  const { purpose, learner, iteration, problem, pick } = value as Record<string, unknown>;
  return (
    (purpose === 'train' || purpose === 'evaluation') &&
    typeof learner === 'string' &&
    Number.isSafeInteger(iteration) &&
    Number.isSafeInteger(problem) &&
    (pick === 'A' || pick === 'B' || pick === 'none')
  );
}

function nameOf(at: EpisodeKey): string {
  return `${groupName(at)}/${at.problem}`;
}

export interface PickParts {
  /** From a file, with its name. */
  given?: { file: string; picks: ReadonlyMap<string, Shown> } | undefined;
  /** Shows a text and reads a line; null where nobody is at a terminal. */
  ask: (text: string) => Promise<string | null>;
  /** Is told of every pick, in the form of a file's line. */
  onPick?: (line: object) => void;
}

/** The judge of the command line: the file first, then the person at the terminal. */
export function terminalJudge({ given, ask, onPick }: PickParts): HumanJudge {
  return {
    async pick(pair: PickQuestion): Promise<Pick> {
      const shown = given?.picks.get(nameOf(pair.at)) ?? (await asked(pair, ask, given?.file));
      const { purpose, learner, iteration, problem } = pair.at;
      onPick?.({ type: 'pick', purpose, learner, iteration, problem, pick: shown });
      return pickOf(shown, pair.turned);
    },
  };
}

async function asked(pair: PickQuestion, ask: PickParts['ask'], file: string | undefined): Promise<Shown> {
  const { question, turned, texts, at } = pair;
  const [a, b] = turned ? [texts[1], texts[0]] : texts;
  const which = 'Which answer is better? a, b, or n for no difference: ';
  let text = `\n${question}\n\nA: ${a}\n\nB: ${b}\n\n${which}`;
  for (;;) {
    const said = await ask(text);
    if (said === null) {
      const missing = `no pick for ${JSON.stringify({ ...at, pick: '?' })}`;
      if (file !== undefined) throw new FileError(file, `holds ${missing}; add a line for it`);
      throw new UsageError(`${missing}: nobody is at a terminal; give --picks FILE.jsonl`);
    }
    const key = said.trim().toLowerCase();
    if (Object.hasOwn(LETTERS, key)) return LETTERS[key] as Shown;
    text = `Please type a, b or n. ${which}`;
  }
}

/**
 * Who is asked to compare answers in a run; undefined where its settings ask nobody.
 * @param file of picks
 * @throws UsageError where a person is asked and nobody could answer, FileError for a file that holds something else
 */
export async function humanFor(
  config: RunConfig,
  file: string | undefined,
  output: Output,
): Promise<HumanJudge | undefined> {
  if (!recipeNamed(config.recipe).asksHuman?.(config)) {
    if (file !== undefined) throw new UsageError('--picks goes with a teacher or a judge that is human');
    return undefined;
  }
  const given =
    file === undefined
      ? undefined
      : { file, picks: readPicks(file, await readBytes(file), (text) => output.note(text)) };
  if (!given && !(await theDesk().terminal()))
    throw new UsageError('a person is to compare answers, and nobody is at a terminal; give --picks FILE.jsonl');
  const ask = async (question: string): Promise<string | null> => {
    output.clearProgress();
    return theDesk().ask(question);
  };
  return terminalJudge({ given, ask, onPick: (line) => output.object(line) });
}
