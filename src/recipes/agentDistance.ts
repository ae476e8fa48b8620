/**
 * Likelihood and divergence between a society's generators, on request after each of its tests (`measure.agents`): each generator scores the first
 * answers of all on held-out problems. Rising −log p of the others' answers is what arXiv 2501.05707 calls specialisation (section 4.3); its
 * estimator of KL is not given, ours is stated in `society/likelihood.ts`. Nothing is learnt from the scores. They are in the log (`judged`).
 */
import type { Episode, GroupKey, Measure } from '../events';
import { answersOf } from '../society/episode';
import { agentDistance, type ScoredResponse } from '../society/likelihood';
import type { Ungraded } from '../tasks/types';
import { textsOf } from './preferenceJudges';
import { isSaboteur, seatsOf, type Variant } from './societyCast';
import type { Config } from './societySettings';
import type { Draft, RunContext } from './types';

/** Under whose name an agent's scores are in the log. */
const SCORED_BY = 'likelihood under';
const NAME = 'agents and each other';

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** @param episodes held-out ones of the society, whose first answers are scored */
export async function* measureAgents(
  variant: Variant,
  { config, runtime, task }: RunContext<Config>,
  episodes: readonly Episode[],
  problems: readonly Ungraded[],
  iteration: number,
): AsyncGenerator<Draft, void, void> {
  if (!runtime.score) throw new Error('this runtime gives no log-probabilities, which measure.agents needs');
  const seats = seatsOf(config).filter((seat) => !isSaboteur(seat, config));
  const said = episodes.flatMap((episode) =>
    answersOf(episode, 0).flatMap((turn) => {
      const { seat, tokens } = episode.turns[turn]!;
      return seats.includes(seat) ? [{ problem: episode.problem, turn, seat, tokens }] : [];
    }),
  );
  if (said.length === 0) return;
  const turns = said.map(({ problem, turn }) => ({ problem, turn }));
  const from: GroupKey = { purpose: 'evaluation', learner: 'society', iteration };
  const scored = new Map<number, ScoredResponse[]>();
  for (const seat of seats) {
    const adapter = variant.adapter('generator', seat);
    const by = `${SCORED_BY} ${adapter} at ${seat}`;
    const found = await runtime.score(textsOf(task, by, adapter, turns, episodes, problems));
    // As in the log, so a resumed run measures the same.
    const scores = found.map((score) => round(score, 4));
    yield { type: 'judged', iteration, by, from, turns, scores };
    scored.set(
      seat,
      said.map(({ problem, seat: whose, tokens }, at) => ({
        problem,
        seat: whose,
        tokens,
        score: scores[at] as number,
      })),
    );
  }
  const { others, own, kl } = agentDistance(scored);
  const value = (label: string, one: number | null): Measure[] =>
    one === null ? [] : [{ label, value: round(one, 6) }];
  const values = [
    ...value('−log p of the others’ answers, nats a token', others),
    ...value('−log p of an agent’s own answers, nats a token', own),
    ...value('KL between two agents, nats an answer', kl),
  ];
  yield { type: 'measured', iteration, learner: 'society', name: NAME, values };
}
