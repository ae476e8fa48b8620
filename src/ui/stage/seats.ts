/** The seats of the scene on show: what each said first and last, what it read in between, and who spoke. */
import type { Cast, Turn } from '../../events';
import type { PartialDebate } from '../../lab/types';
import type { RunConfig } from '../../recipes/config';
import type { Stage } from '../../recipes/types';
import { recipeOf } from '../readings/runCast';
import type { EpisodeView } from '../readings/episodes';
import type { LogIndex } from '../readings/logIndex';
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
  /** What the seat reads of others before its last response. */
  reads: Read[];
  /** Of the first and last response; null while there is no verdict, and in an evaluation. */
  destinations: Destinations;
}

const NOTHING: Bubble = { text: '', answer: null, done: false };

/** @param reading seats read each other between layers */
export function seatsOf(scene: Scene, index: LogIndex, config: RunConfig, reading: boolean): StageAgent[] {
  const layers = bubblesOf(scene, index);
  const last = layers.length - 1;
  const held = scene && 'held' in scene ? scene.held : null;
  const count = Math.max(recipeOf(config)?.cost(config).seats ?? 1, ...layers.map((layer) => layer.length));
  return Array.from({ length: count }, (_, slot) => ({
    slot,
    first: layers[0]?.[slot] ?? NOTHING,
    last: last > 0 ? (layers[last]?.[slot] ?? null) : null,
    reads: held ? readsOf(held, slot) : reading && last > 0 ? others(layers[last - 1] ?? [], slot) : [],
    destinations: held ? destinationsOf(index, config, held, slot) : { first: null, last: null },
  }));
}

/** Do seats answer more than once, by the recipe's stages or by what is on show? */
export function layeredOf(scene: Scene, stages: readonly Stage[]): boolean {
  const shown = !scene ? 0 : 'held' in scene ? scene.held.responses.length : scene.sampling.round;
  return Math.max(shown, answering(stages).length) > 1;
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
  const role = (at: number) => roleAt(held, cast, learner, at);
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
  if ('held' in scene)
    return scene.held.responses.map((layer) => {
      const seats: (Bubble | undefined)[] = [];
      // A tree may have several turns of a seat in a layer: there is room for the first.
      for (const { seat, text, answer = null } of layer) seats[seat] ??= { text, answer, done: true };
      return seats;
    });
  const { texts, earlier = [] } = scene.sampling;
  const read = (text: string) => (text === '' ? null : (index.task?.extractAnswer(text) ?? null));
  return [
    ...earlier.map((layer) => layer.map((text) => ({ text, answer: read(text), done: true }))),
    texts.map((text) => ({ text, answer: read(text), done: false })),
  ];
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
