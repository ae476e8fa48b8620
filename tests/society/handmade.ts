/** Episodes written by hand. */
import type { Episode, GroupKey, Turn } from '../../src/events';
import { vote } from '../../src/society/episode';

export const same = (a: string, b: string) => a === b;

export function turn(answer: string | null, changes: Partial<Turn> = {}): Turn {
  return {
    call: 'answer-0',
    kind: 'answer',
    agent: 'generator-0',
    seat: 0,
    layer: 0,
    parents: [],
    text: `#${answer ?? ''}`,
    answer,
    finish: 'stop',
    tokens: 2,
    ...changes,
  };
}

const TRAINING: GroupKey = { purpose: 'train', learner: 'society', iteration: 1 };

/** `rounds[m][n]`: answers; the votes follow from them (ties by draws of seed 1). */
export function heldDebate(problem: number, ...rounds: (string | null)[][]): Episode {
  return heldBy(TRAINING, problem, ...rounds);
}

export function heldBy(group: GroupKey, problem: number, ...rounds: (string | null)[][]): Episode {
  const episode: Episode = { type: 'episode', ...group, problem, turns: [], verdicts: [] };
  rounds.forEach((answers, layer) => {
    const of = answers.map((answer, seat) => {
      const role = layer === 0 ? 'generator' : 'critic';
      const before = episode.turns.flatMap((one, at) => (one.layer === layer - 1 ? [at] : []));
      const own = before[seat];
      const parents = own === undefined ? [] : [own, ...before.filter((at) => at !== own)];
      const kind = layer === 0 ? 'answer' : 'revision';
      const call = layer === 0 ? `answer-${seat}` : `revision-${layer + 1}-${seat}`;
      episode.turns.push(turn(answer, { call, kind, agent: `${role}-${seat}`, seat, layer, parents }));
      return episode.turns.length - 1;
    });
    vote(episode, of, same, { seed: 1, stream: 4, problem, round: layer + 1 });
  });
  return episode;
}
