/**
 * A person as a judge: pairs in, picks out. What was picked becomes a verdict in the log, by `human`, and a resumed run reads it there.
 */
import type { EpisodeKey, RunEvent } from '../events';
import { groupName } from '../events';
import { drawUint, STREAMS } from '../random';

/** The name of its verdicts. */
export const HUMAN = 'human';

export type Pick = 'first' | 'second' | 'neither';
/** The same of what is shown: A stands first. */
export type Shown = 'A' | 'B' | 'none';

/** Two answers to a problem. There is one pair for an episode. */
export interface PickQuestion {
  /** Episode that the pick becomes a verdict of. */
  at: EpisodeKey;
  question: string;
  /** As the verdict has them: the first is the one whose score it begins with. */
  texts: [first: string, second: string];
  /** The second is shown first: a draw, so that the place of an answer tells nothing about who gave it. */
  turned: boolean;
}

export interface HumanJudge {
  /** Resolves when the person has picked. Rejects when the run is stopped, or nobody is there. */
  pick(pair: PickQuestion): Promise<Pick>;
}

/** Scores of the two for a pick: 1 and 0, or a half each. */
export function scoresOf(pick: Pick): [number, number] {
  return pick === 'neither' ? [0.5, 0.5] : pick === 'first' ? [1, 0] : [0, 1];
}

/** Is the second text shown first? */
export function isTurned(seed: number, { purpose, iteration, problem, learner }: EpisodeKey): boolean {
  const round = learner === 'base' ? 0 : 1;
  const agent = purpose === 'train' ? 0 : 1;
  return drawUint({ seed, stream: STREAMS.order, iteration, agent, problem, round }, 0) % 2 === 1;
}

/** A pick from what was said of the texts as they are shown. */
export function pickOf(shown: Shown, turned: boolean): Pick {
  if (shown === 'none') return 'neither';
  return (shown === 'A') !== turned ? 'first' : 'second';
}

/** Picks from the log of an interrupted run; what it does not hold is asked of the judge behind. */
export class RecordedJudge implements HumanJudge {
  readonly #picks = new Map<string, Pick>();

  constructor(
    recorded: readonly RunEvent[],
    private readonly behind?: HumanJudge,
  ) {
    for (const event of recorded) {
      if (event.type !== 'episode') continue;
      const score = event.verdicts.find(({ by }) => by === HUMAN)?.scores?.[0];
      if (score !== undefined)
        this.#picks.set(nameOf(event), score === 1 ? 'first' : score === 0 ? 'second' : 'neither');
    }
  }

  async pick(pair: PickQuestion): Promise<Pick> {
    const known = this.#picks.get(nameOf(pair.at));
    if (known !== undefined) return known;
    if (!this.behind) throw new Error(`nobody is there to compare answers to problem ${pair.at.problem}`);
    return this.behind.pick(pair);
  }
}

function nameOf(at: EpisodeKey): string {
  return `${groupName(at)}/${at.problem}`;
}
