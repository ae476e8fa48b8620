/** What was found about the turns of an episode beside the votes that are drawn, in words. */
import type { Cast, Turn, Verdict } from '../../events';
import { CHECKER } from '../../society/prompts';
import { agentLook } from '../agents';
import { answerText } from '../format';
import type { EpisodeView } from './episodes';

export interface VerdictText {
  /** "checker", "verifier B" */
  by: string;
  /** "scores: agent A 1, agent B 0", "best to worst: agent B, agent A", "answer 12" */
  said: string[];
}

/**
 * Verdicts on a layer that are not its vote. What a program says that knows the true answer gives it away.
 * @param gold may true answers be shown?
 */
export function otherVerdicts(
  cast: Cast,
  { episode, votes }: EpisodeView,
  layer: number,
  gold: boolean,
): VerdictText[] {
  const { turns, verdicts } = episode;
  const layerOf = ({ of }: Verdict) => Math.max(0, ...of.map((at) => turns[at]?.layer ?? 0));
  return verdicts
    .filter((verdict) => !votes.includes(verdict) && layerOf(verdict) === layer)
    .map((verdict) => ({
      by: cast.agents.find(({ id }) => id === verdict.by)?.label ?? verdict.by,
      said: verdict.by === CHECKER && !gold ? ['compared with the true answer'] : wordsOf(turns, verdict),
    }));
}

function wordsOf(turns: readonly Turn[], { of, answer, count, tied, scores, ranking }: Verdict): string[] {
  const name = (at: number) => turnName(turns, of, at);
  const said: string[] = [];
  if (scores) {
    const each = of.map((at, i) => `${name(at)} ${scores[i] ?? 'not given'}`);
    said.push(`${each.length === 1 ? 'score' : 'scores'}: ${each.join(', ')}`);
  }
  if (ranking) said.push(`best to worst: ${ranking.map(name).join(', ')}`);
  if (answer !== undefined) {
    const votes = count === undefined ? '' : ` by ${count} of ${of.length}${tied ? ', drawn at random' : ''}`;
    said.push(answer === null ? 'nothing readable' : `answer ${answerText(answer)}${votes}`);
  }
  return said.length > 0 ? said : [`looked at ${of.map(name).join(', ')}`];
}

/** Seats name turns, and the round where a seat has several. */
function turnName(turns: readonly Turn[], of: readonly number[], at: number): string {
  const turn = turns[at];
  if (!turn) return `turn ${at}`;
  const name = `agent ${agentLook(turn.seat).letter}`;
  return of.filter((other) => turns[other]?.seat === turn.seat).length > 1
    ? `${name} in round ${turn.layer + 1}`
    : name;
}
