/** What recipes ask of the agents that another runtime plays, and the refusal of what it cannot give before a run starts. */
import type { Agent, Cast } from '../events';
import type { Runtime, RuntimeCapabilities } from '../runtimes/types';
import type { RunConfig } from './config';
import { ConfigurationError } from './errors';
import { KIND_TITLES, seatedRuntimes, type RuntimeKind, type SeatedRuntime } from './seats';
import type { Recipe } from './types';

export type Ability = keyof RuntimeCapabilities;

/** What a kind of runtime can give at best; what opening it finds out may be less. */
export const KIND_CAN: Readonly<Record<RuntimeKind | 'engine', readonly Ability[]>> = {
  engine: [
    'ids',
    'logprobs',
    'margins',
    'adapters',
    'training',
    'scores',
    'embeddings',
    'rewards',
    'mixtures',
    'merging',
    'grams',
    'repeats',
  ],
  transformers: ['ids', 'logprobs', 'margins', 'scores', 'repeats'],
  'web-llm': ['logprobs', 'repeats'],
  endpoint: ['logprobs'],
};

const WORDS: Readonly<Record<Ability, string>> = {
  ids: 'the ids of sampled tokens',
  logprobs: 'log-probabilities',
  margins: 'margins',
  adapters: 'adapters of the run',
  training: 'training',
  scores: 'log-probabilities of given texts',
  embeddings: 'embeddings',
  rewards: 'rewards',
  mixtures: 'mixtures of adapters',
  merging: 'merged adapters',
  grams: 'Gram matrices of what layers read',
  repeats: 'the same answer to the same call',
};

/** Id of the untouched model, which speaks for every seat before anything was learnt. */
const BASE = 'base';

/** Who answers a call: the place of a runtime among `seatedRuntimes`, or null for the engine. */
export function placeOf(
  seated: readonly SeatedRuntime[],
  agents: readonly Agent[],
  call: { agent: string; seat: number; part?: string | undefined },
): SeatedRuntime | null {
  const agent = agents.find(({ id }) => id === call.agent);
  // The untouched model plays a seat in debates; in a part of its own it is one model that is sampled often.
  const seat = agent?.seat ?? (call.agent === BASE && call.part === undefined ? call.seat : null);
  return (
    seated.find((one) => one.agent === call.agent) ??
    seated.find((one) => one.seat !== null && one.seat === seat) ??
    null
  );
}

/** Adapters that nobody answers with, since another runtime speaks for all of their agents; with the reason why they learn nothing. */
export function frozenAdapters(config: RunConfig, { agents }: Pick<Cast, 'agents'>): ReadonlyMap<string, string> {
  const seated = seatedRuntimes(config);
  const frozen = new Map<string, string>();
  if (seated.length === 0) return frozen;
  for (const { id, seat, adapter } of agents) {
    const place = adapter === null ? null : placeOf(seated, agents, { agent: id, seat: seat ?? -1 });
    if (place && adapter !== null) frozen.set(adapter, frozenReason(place.runtime.kind));
  }
  return frozen;
}

/** Why nothing is learnt at a seat. */
function frozenReason(kind: RuntimeKind): string {
  return `${KIND_TITLES[kind]} plays this agent, and only the engine trains`;
}

/** A recipe's cast, with the runtime of each agent that is not on the engine. */
export function castOf(recipe: Pick<Recipe, 'cast'>, config: RunConfig): Cast {
  const cast = recipe.cast(config);
  const seated = seatedRuntimes(config);
  if (seated.length === 0) return cast;
  const agents = cast.agents.map((agent): Agent => {
    const place = placeOf(seated, cast.agents, { agent: agent.id, seat: agent.seat ?? -1 });
    return place ? { ...agent, runtime: place.runtime.name } : agent;
  });
  return { ...cast, agents };
}

/** @throws ConfigurationError for a seat that nobody has, a society in which nobody learns, a need that a runtime cannot meet */
export function checkSeats(recipe: Recipe, config: RunConfig): void {
  const seated = seatedRuntimes(config);
  if (seated.length === 0) return;
  const cast = recipe.cast(config);
  const { seats } = recipe.cost(config);
  for (const place of seated) checkPlace(recipe, cast, seats, place);
  const frozen = frozenAdapters(config, cast);
  const learning = cast.agents.flatMap(({ adapter }) => (adapter === null ? [] : [adapter]));
  if (config.iterations > 0 && learning.length > 0 && learning.every((adapter) => frozen.has(adapter)))
    throw new ConfigurationError('seats', 'no agent is left on the engine, and nobody else learns; leave one out');
  for (const [agent, needs] of Object.entries(recipe.needs?.(config) ?? {})) {
    const seat = cast.agents.find(({ id }) => id === agent)?.seat ?? -1;
    const place = placeOf(seated, cast.agents, { agent, seat });
    if (place) checkNeeds(recipe.id, agent, needs, place.runtime.kind, KIND_CAN[place.runtime.kind]);
  }
}

function checkPlace({ id }: Recipe, { agents }: Cast, seats: number, { seat, agent }: SeatedRuntime): void {
  if (agent !== null) {
    if (agents.some((one) => one.id === agent)) return;
    const known = agents.map((one) => one.id).join(', ');
    throw new ConfigurationError('seats', `${id} has no agent named ${agent}; there are ${known}`);
  }
  const number = (seat ?? 0) + 1;
  if (number > seats) throw new ConfigurationError('seats', `there is no seat ${number}; ${id} has ${seats} here`);
  const own = agents.some((one) => one.seat === seat);
  if (own || agents.every(({ adapter }) => adapter === null)) return;
  const shared = agents.flatMap((one) => (one.adapter === null ? [] : [one.id]));
  throw new ConfigurationError(
    'seats',
    `seat ${number} has no agent of its own in ${id}; name an agent instead: ${shared.join(', ')}`,
  );
}

/** Does a run need this ability of any of its agents? */
export function asksFor(recipe: Recipe, config: RunConfig, ability: Ability): boolean {
  return Object.values(recipe.needs?.(config) ?? {}).some((needs) => needs.includes(ability));
}

/**
 * Engines give everything else alike; Gram matrices only some of them.
 * @throws ConfigurationError that names what is missing, and the engine
 */
export function checkEngine(recipe: Recipe, config: RunConfig, runtime: Pick<Runtime, 'can' | 'describe'>): void {
  if (runtime.can.grams) return;
  const asking = Object.entries(recipe.needs?.(config) ?? {}).find(([, needs]) => needs.includes('grams'));
  if (!asking) return;
  throw new ConfigurationError(
    'engine',
    `${recipe.id} needs ${WORDS.grams} of ${asking[0]}, which this engine (${runtime.describe().engine}) does not give; ` +
      'the exact engine does, for models that are not too wide',
  );
}

/**
 * @param can what the runtime gives
 * @throws ConfigurationError that names what is missing, and which runtimes give it
 */
export function checkNeeds(
  recipe: string,
  agent: string,
  needs: readonly Ability[],
  kind: RuntimeKind,
  can: readonly Ability[],
): void {
  const missing = needs.find((need) => !can.includes(need));
  if (missing === undefined) return;
  const able = Object.entries(KIND_CAN).flatMap(([name, gives]) => (gives.includes(missing) ? [name] : []));
  const title = (name: string) => (name === 'engine' ? 'the engine' : KIND_TITLES[name as RuntimeKind]);
  throw new ConfigurationError(
    'seats',
    `${recipe} needs ${WORDS[missing]} of ${agent}, which ${KIND_TITLES[kind]} does not give; ${able.map(title).join(' and ')} can`,
  );
}
