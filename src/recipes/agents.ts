/** Who takes part in multiagent finetuning: adapters by role and slot, and who sits where. */
import type { Team } from '../events';
import { drawUint, STREAMS } from '../random';
import type { Players } from '../society/debate';
import type { ExperimentConfig } from './config';
import type { Society } from './types';

/** An adapter and the coordinates of its own draws (role is part of the name). */
export interface Agent {
  adapter: string;
  role: 0 | 1 | 2;
  slot: number;
  team: 'society' | 'single';
}
export const GENERATOR = 0;
export const CRITIC = 1;
const SINGLE = 2;

/** Adapter of a slot: generator-0.., critic-0... */
function adapterName(role: 'generator' | 'critic', slot: number): string {
  return `${role}-${slot}`;
}

/** Adapter of the single-agent baseline. */
const SINGLE_ADAPTER = 'single';

/** Every adapter that a run trains, in the order of its events. */
export function adapterNames(config: ExperimentConfig): string[] {
  return agentsOf(config).map((agent) => agent.adapter);
}

/** The agents of a run: N generators, with several rounds N critics, and the single model where it is asked for. */
export function agentsOf(config: ExperimentConfig): Agent[] {
  const slots = Array.from({ length: config.agents }, (_, slot) => slot);
  const generators = slots.map((slot): Agent => ({
    adapter: adapterName('generator', slot),
    role: GENERATOR,
    slot,
    team: 'society',
  }));
  // With one round nobody reads anybody, so there are no critics.
  const critics = config.rounds > 1 ? slots : [];
  return [
    ...generators,
    ...critics.map((slot): Agent => ({ adapter: adapterName('critic', slot), role: CRITIC, slot, team: 'society' })),
    ...(config.singleAgentBaseline
      ? [{ adapter: SINGLE_ADAPTER, role: SINGLE, slot: 0, team: 'single' } satisfies Agent]
      : []),
  ];
}

/** The N slots of a team: no adapter, 2N adapters, or one adapter for all. */
export function playersOf(team: Team, config: ExperimentConfig): Players {
  const seats = (name: (slot: number) => string | null) =>
    Array.from({ length: config.agents }, (_, slot) => name(slot));
  if (team === 'base') return { team, generators: seats(() => null), critics: seats(() => null) };
  if (team === 'single') return { team, generators: seats(() => SINGLE_ADAPTER), critics: seats(() => SINGLE_ADAPTER) };
  return {
    team,
    generators: seats((slot) => adapterName('generator', slot)),
    critics: seats((slot) => adapterName('critic', slot)),
  };
}

/** Fresh adapters, each from a seed of its own. */
export async function createAdapters(
  society: Society,
  config: ExperimentConfig,
  agents: readonly Agent[],
): Promise<void> {
  for (const { adapter, role, slot } of agents) {
    const name = { seed: config.seed, stream: STREAMS.adapterInit, agent: slot, round: role };
    // 53 bits of a draw of its own, so adapters differ and adding agents changes none of the others.
    const seed = drawUint(name, 0) + (drawUint(name, 1) >>> 11) * 2 ** 32;
    await society.createAdapter(adapter, config.adapter, seed);
  }
}
