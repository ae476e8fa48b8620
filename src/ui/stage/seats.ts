/** The seats of the scene on show: what each said first and last, what it read in between, and who spoke. */
import type { Cast, Turn } from '../../events';
import type { PartialDebate } from '../../lab/types';
import { placeOf } from '../../recipes/abilities';
import type { RunConfig } from '../../recipes/config';
import { seatedRuntimes } from '../../recipes/seats';
import type { Stage } from '../../recipes/types';
import { recipeOf } from '../readings/runCast';
import type { EpisodeView } from '../readings/episodes';
import { isRight, type LogIndex } from '../readings/logIndex';
import { destinationsOf, type Destinations } from './destinations';

/** What is on show: an episode of the log, or one that is being sampled. */
export type Scene = { held: EpisodeView } | { sampling: PartialDebate } | null;

/** A response as it stands. */
export interface Bubble {
  text: string;
  /** null = none can be read (yet). */
  answer: string | null;
  /** The text is complete. */
  done: boolean;
  /** By the true answer; null where none is known, or the text goes on. */
  right: boolean | null;
}

interface Read {
  slot: number;
  answer: string | null;
}

export interface StageAgent {
  /** Seat, 0..N−1 */
  slot: number;
  first: Bubble;
  /** Of the last layer that has begun; null in the first. */
  last: Bubble | null;
  /** Of the layers between the two. */
  between: Bubble[];
  /** What the seat reads of others before its last response. */
  reads: Read[];
  /** Of the first and last response; null while there is no verdict, and in an evaluation. */
  destinations: Destinations;
  /** What speaks there instead of the engine, as the log names it; null = the engine. */
  runtime: string | null;
}

const NOTHING: Bubble = { text: '', answer: null, done: false, right: null };

/** @param reading seats read each other between layers */
export function seatsOf(scene: Scene, index: LogIndex, config: RunConfig, reading: boolean): StageAgent[] {
  const layers = bubblesOf(scene, index);
  const last = layers.length - 1;
  const held = scene && 'held' in scene ? scene.held : null;
  const count = seatCount(index, config, layers);
  return Array.from({ length: count }, (_, slot) => ({
    slot,
    first: layers[0]?.[slot] ?? NOTHING,
    last: last > 0 ? (layers[last]?.[slot] ?? null) : null,
    between: layers.slice(1, Math.max(1, last)).map((layer) => layer[slot] ?? NOTHING),
    reads: held ? readsOf(held, slot) : reading && last > 0 ? others(layers[last - 1] ?? [], slot) : [],
    destinations: held ? destinationsOf(index, config, held, slot) : { first: null, last: null },
    runtime: runtimeAt(scene, index, config, slot),
  }));
}

/** Seats that take part in the scene or have agents of their own; before anything is said, as many as a run has at most. */
function seatCount(index: LogIndex, config: RunConfig, layers: readonly (readonly unknown[])[]): number {
  const spoken = Math.max(0, ...layers.map((layer) => layer.length));
  if (spoken === 0) return recipeOf(config)?.cost(config).seats ?? 1;
  return Math.max(spoken, ...index.cast.agents.map(({ seat }) => (seat ?? -1) + 1));
}

/** As the log says; while a debate is being sampled, as the seats are set. */
function runtimeAt(scene: Scene, index: LogIndex, config: RunConfig, slot: number): string | null {
  if (scene && 'held' in scene)
    return (
      scene.held.episode.turns.find(({ seat, runtime }) => seat === slot && runtime !== undefined)?.runtime ?? null
    );
  const seated = seatedRuntimes(config);
  if (!scene || seated.length === 0) return null;
  const { agents, learners } = index.cast;
  const own = learners.find(({ key }) => key === scene.sampling.learner)?.agents ?? [];
  const speaker = agents.find(({ id, seat }) => own.includes(id) && seat === slot)?.id ?? own[0];
  return speaker === undefined ? null : (placeOf(seated, agents, { agent: speaker, seat: slot })?.runtime.name ?? null);
}

/** Do seats answer more than once, by what was held, or else by the recipe's stages? */
export function layeredOf(scene: Scene, stages: readonly Stage[]): boolean {
  if (scene && 'held' in scene) return scene.held.responses.length > 1;
  return Math.max(scene?.sampling.round ?? 0, answering(stages).length) > 1;
}

/** Who speaks in the first layer and in the last one that has begun, by role; by what is said where the role is the same. */
export function speakersOf(
  scene: Scene,
  cast: Cast,
  stages: readonly Stage[],
  learner: string,
  round: number,
): { first: string; last: string } {
  const held = scene && 'held' in scene ? scene.held : null;
  const layer = Math.max(1, round - 1);
  const sampling = scene && 'sampling' in scene ? scene.sampling : null;
  // What is being sampled may skip layers that give no answer: its speaker says who it is.
  const now = sampling && sampling.round > 1 ? cast.agents.find(({ id }) => id === sampling.agent)?.role : undefined;
  const role = (at: number) => (at === layer ? now : undefined) ?? roleAt(held, cast, learner, at);
  const said = answering(stages)[Math.min(layer, answering(stages).length - 1)];
  const kind = said?.says ?? held?.responses[layer]?.[0]?.kind ?? said?.kinds?.[0] ?? role(layer);
  const last = role(layer) === role(0) ? kind : role(layer);
  return { first: role(0), last: round > 2 ? `${last}, round ${round}` : last };
}

function answering(stages: readonly Stage[]): Stage[] {
  return stages.filter(({ moment }) => moment === 'answer');
}

/** As the log says; before it does, a learner's roles take the layers in their order. */
function roleAt(held: EpisodeView | null, cast: Cast, learner: string, layer: number): string {
  const spoken = held?.responses[layer]?.[0]?.agent;
  const agents = cast.learners.find(({ key }) => key === learner)?.agents ?? [];
  const roleOf = (id: string | undefined) => cast.agents.find((agent) => agent.id === id)?.role;
  const roles = [...new Set(agents.map(roleOf))];
  const base = cast.agents.find(({ adapter }) => adapter === null)?.role;
  return roleOf(spoken) ?? (roles[Math.min(layer, roles.length - 1)] || base) ?? '';
}

/** By layer and seat. */
function bubblesOf(scene: Scene, index: LogIndex): (Bubble | undefined)[][] {
  if (!scene) return [];
  const problem = index.problems.get('held' in scene ? scene.held.problem : scene.sampling.problem) ?? null;
  const known = problem?.gold !== undefined;
  if ('held' in scene)
    return said(scene.held).map((layer) => {
      const seats: (Bubble | undefined)[] = [];
      // A tree may have several turns of a seat in a layer: there is room for the first.
      for (const turn of layer) {
        const { seat, text, answer = null } = turn;
        seats[seat] ??= { text, answer, done: true, right: known ? isRight(index, problem, turn) : null };
      }
      return seats;
    });
  const { texts, earlier = [] } = scene.sampling;
  const read = (text: string) => (text === '' ? null : (index.task?.extractAnswer(text) ?? null));
  const complete = (text: string): Bubble => {
    const answer = read(text);
    return { text, answer, done: true, right: known ? isRight(index, problem, { answer }) : null };
  };
  return [
    ...earlier.map((layer) => layer.map(complete)),
    texts.map((text) => ({ text, answer: read(text), done: false, right: null })),
  ];
}

/** Answers by layer; where nobody answers, what was read or said instead. */
function said({ responses, episode: { turns } }: EpisodeView): Turn[][] {
  return responses.some((layer) => layer.length > 0) ? responses : [turns];
}

function others(layer: readonly (Bubble | undefined)[], slot: number): Read[] {
  return Array.from(layer).flatMap((bubble, other) =>
    other === slot || !bubble ? [] : [{ slot: other, answer: bubble.answer }],
  );
}

/** Other seats' turns among the parents of a seat's last response; of a summary, what it was made of. */
function readsOf({ episode: { turns }, responses }: EpisodeView, slot: number): Read[] {
  const own = responses.length > 1 ? responses.at(-1)?.find(({ seat }) => seat === slot) : undefined;
  const answers = (at: number): Turn[] => {
    const turn = turns[at];
    if (!turn) return [];
    return turn.answer === undefined ? turn.parents.flatMap(answers) : [turn];
  };
  return (own?.parents ?? [])
    .flatMap(answers)
    .flatMap(({ seat, answer = null }) => (seat === slot ? [] : [{ slot: seat, answer }]));
}
