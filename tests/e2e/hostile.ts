/** A run whose answers are made to hold up whoever reads them as formulas. */
import type { RunEvent } from '../../src/events';
import { LogDigest } from '../../src/log/digest';
import { recordedRun, type Recorded } from './recorded';

const PIECES = [
  '|',
  '|x',
  '\\lvert ',
  '\\|',
  '\\{x',
  '2^',
  '(',
  '1000!^',
  '\\frac{1}{',
  '\\sqrt{2}+',
  'x^{99999}+',
  '\\pm 1',
];

/** Another text for each number, as long as an answer may be. */
function hostile(answer: string): string {
  const piece = PIECES[Math.abs(Number(answer)) % PIECES.length] as string;
  return `${piece.repeat(Math.floor(900 / piece.length))}${answer}`;
}

/** The run as one of own questions, whose right answers are written in another way than the responses write them. */
function withHostileAnswers({ record, events: given }: Recorded): Recorded {
  const answer = (text: string | null) => text && (Number(text) % 3 === 0 ? `x+${text}` : hostile(text));
  const events = given.map((event): RunEvent => {
    if (event.type === 'run-started') return { ...event, config: { ...event.config, task: 'jsonl' } };
    if (event.type === 'problems') {
      const gold = (text: string) => (Number(text) % 3 === 0 ? `${text}+x` : hostile(text));
      return { ...event, problems: event.problems.map((problem) => ({ ...problem, gold: gold(problem.gold ?? '') })) };
    }
    if (event.type !== 'episode') return event;
    const changed = <T extends { answer?: string | null }>(one: T): T =>
      one.answer === undefined ? one : { ...one, answer: answer(one.answer) };
    return { ...event, turns: event.turns.map(changed), verdicts: event.verdicts.map(changed) };
  });
  const digest = new LogDigest();
  for (const event of events) digest.add(event);
  return { record: { ...record, digest: digest.hex, config: { ...record.config, task: 'jsonl' } }, events };
}

/** Per cent of the society's first answers to held-out problems that are right after one iteration. */
export function firstRight(events: readonly RunEvent[]): number {
  const gold = new Map(
    events.flatMap((event) =>
      event.type === 'problems' ? event.problems.map(({ id, gold }) => [id, gold] as const) : [],
    ),
  );
  const right = events.flatMap((event) =>
    event.type === 'episode' && event.purpose === 'evaluation' && event.learner === 'society' && event.iteration === 1
      ? event.turns.flatMap(({ layer, answer }) => (layer === 0 ? [answer === gold.get(event.problem)] : []))
      : [],
  );
  return Math.round((100 * right.filter(Boolean).length) / right.length);
}

/** @returns a recorded run, and the same with hostile answers: as many of them are right */
export async function hostileRun(name: string): Promise<{ recorded: Recorded; hostile: Recorded }> {
  const settings = { iterations: 2, trainProblems: 60, evaluationProblems: 100, seed: 3 };
  const recorded = await recordedRun(name, settings);
  return { recorded, hostile: withHostileAnswers(recorded) };
}
