/** What is left for the engine of a run's work when other runtimes play some of its seats. */
import type { Agent, Cast } from '../events';
import { frozenAdapters, placeOf } from './abilities';
import type { RunConfig } from './config';
import { seatedRuntimes } from './seats';
import type { Need, Work } from './types';

/** Agents of this role answer prompts that quote others, and learn from them. */
const REVISES = 'critic';

/** A recipe's need without the adapters, tracks and examples of agents that learn nothing. */
export function withoutFrozen(need: Need, config: RunConfig, { agents }: Pick<Cast, 'agents'>): Need {
  const frozen = frozenAdapters(config, { agents });
  if (frozen.size === 0) return need;
  const revises = (adapter: string): boolean =>
    need.tracks.revise > 0 && agents.some((agent) => agent.adapter === adapter && agent.role === REVISES);
  const revise = [...frozen.keys()].filter(revises).length;
  const tracks = {
    solve: Math.max(0, need.tracks.solve - (frozen.size - revise)),
    revise: Math.max(0, need.tracks.revise - revise),
  };
  const part = (left: number, before: number): number => (before === 0 ? 1 : left / before);
  const [solving, revising] = [part(tracks.solve, need.tracks.solve), part(tracks.revise, need.tracks.revise)];
  const work = need.work.map((one): Work =>
    one.kind === 'episodes' ? one : { ...one, solve: one.solve * solving, revise: one.revise * revising },
  );
  return { ...need, adapters: Math.max(1, need.adapters - frozen.size), tracks, work };
}

/** Share of the calls at a table that other runtimes answer, 0..1. @param seats of the widest table, where nothing says more */
export function seatedShareOf(config: RunConfig, { agents }: Pick<Cast, 'agents'>, seats: number): number {
  const seated = seatedRuntimes(config);
  if (seated.length === 0) return 0;
  const numbers = new Set(agents.flatMap(({ seat }) => (seat === null || seat === undefined ? [] : [seat])));
  if (numbers.size > 0) {
    const calls = agents.filter(({ seat }) => seat !== null && seat !== undefined);
    return calls.filter((agent) => isSeated(agent, seated, agents)).length / calls.length;
  }
  const named = agents.filter(({ adapter }) => adapter !== null);
  if (named.length > 0) return named.filter((agent) => isSeated(agent, seated, agents)).length / named.length;
  const table = Number((config as { agents?: number }).agents ?? seats);
  return Math.min(1, seated.filter(({ seat }) => seat !== null).length / table);
}

function isSeated(agent: Agent, seated: ReturnType<typeof seatedRuntimes>, agents: readonly Agent[]): boolean {
  return placeOf(seated, agents, { agent: agent.id, seat: agent.seat ?? -1 }) !== null;
}
