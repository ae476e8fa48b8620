/**
 * Where a replay can stand in a log, and which place follows when it steps by agent, by round or by iteration. Functions of the events
 * alone: a longer log only adds places.
 */
import type { Episode, RunEvent, Turn } from '../../events';
import { answersOf, layersOf } from '../../society/episode';

/** A place in a log. */
export interface Position {
  /** Index of the event on show, 0.. */
  event: number;
  /** Within an episode: how many answers are on show less one, and as the last its outcome. 0 elsewhere. */
  step: number;
}

export type ReplayUnit = 'agent' | 'round' | 'iteration';
export type Direction = 1 | -1;

/** What is on show of an episode. */
export type EpisodePlace =
  /** Layer, 0.., and how many of its seats have answered. */
  | { layer: number; seats: number; visible: number }
  /** All of it, with what it came to. */
  | 'outcome';

/** A stretch of the log in which the same thing happens. */
export interface Stretch {
  kind: 'debate' | 'test' | 'data' | 'train';
  iteration: number;
  /** Index of its first event. */
  from: number;
  /** Index behind its last event. */
  to: number;
}

export const START: Position = { event: 0, step: 0 };

/** Answers of an episode, layer by layer; layers in which nobody answers are left out, and where none has an answer all turns count. */
export function spokenLayers(episode: Episode): Turn[][] {
  const layers = Array.from({ length: layersOf(episode) }, (_, layer) =>
    answersOf(episode, layer).map((at) => episode.turns[at] as Turn),
  ).filter((layer) => layer.length > 0);
  return layers.length > 0 ? layers : [episode.turns];
}

/** Places at the table that a layer takes. */
const seatsOf = (layer: readonly Turn[]) => Math.max(1, ...layer.map(({ seat }) => seat + 1));

/** How many steps an event has: one a seat of each layer and the outcome for an episode, else 1. */
export function stepsOf(event: RunEvent): number {
  if (event.type !== 'episode') return 1;
  return spokenLayers(event).reduce((sum, layer) => sum + seatsOf(layer), 1);
}

/** What of an episode is on show at a step. */
export function placeIn(episode: Episode, step: number): EpisodePlace {
  let left = step;
  for (const [layer, turns] of spokenLayers(episode).entries()) {
    const seats = seatsOf(turns);
    if (left < seats) return { layer, seats, visible: left + 1 };
    left -= seats;
  }
  return 'outcome';
}

/** Steps at which a layer is complete, and the outcome. */
function roundsOf(event: RunEvent): number[] {
  if (event.type !== 'episode') return [0];
  let at = -1;
  return [...spokenLayers(event).map((layer) => (at += seatsOf(layer))), at + 1];
}

/** The event with all that it has to show. */
export function whole(events: readonly RunEvent[], event: number): Position {
  const at = events[event];
  return { event, step: at ? stepsOf(at) - 1 : 0 };
}

/** Has the event something to look at, so that a step ends there? */
export function isStop({ type }: RunEvent): boolean {
  return type !== 'run-started' && type !== 'problems' && type !== 'iteration-started' && type !== 'adapter';
}

/** Do two events belong to one training, or to one choice of examples? */
function sameRound(a: RunEvent, b: RunEvent): boolean {
  if (a.type === 'dataset') return b.type === 'dataset' && a.iteration === b.iteration;
  const trains = ({ type }: RunEvent) => type === 'training-step' || type === 'adapter' || type === 'job-superseded';
  return trains(a) && trains(b) && jobOf(a) === jobOf(b);
}

function jobOf(event: RunEvent): string | undefined {
  if (event.type === 'adapter') return 'job' in event.from ? event.from.job : undefined;
  return event.type === 'training-step' || event.type === 'job-superseded' ? event.job : undefined;
}

function stopFrom(events: readonly RunEvent[], from: number, direction: Direction): number | null {
  for (let i = from; i >= 0 && i < events.length; i += direction) if (isStop(events[i] as RunEvent)) return i;
  return null;
}

/** Indices of the first and the last stop of the training, or of the choice of examples, that a stop belongs to; else of the stop alone. */
export function roundAt(events: readonly RunEvent[], at: number): { first: number; last: number } {
  const reach = (direction: Direction): number => {
    let end = at;
    for (let i = at + direction; i >= 0 && i < events.length; i += direction) {
      if (!sameRound(events[at] as RunEvent, events[i] as RunEvent)) break;
      if (isStop(events[i] as RunEvent)) end = i;
    }
    return end;
  };
  return { first: reach(-1), last: reach(1) };
}

/**
 * The place after (or before) one; null where the log has none.
 * - agent: the next answer, outcome, data set or training step
 * - round: all answers of the next layer, an outcome, all data sets, or the end of a training job
 * - iteration: the end of an iteration
 */
export function stepped(
  events: readonly RunEvent[],
  position: Position,
  unit: ReplayUnit,
  direction: Direction = 1,
): Position | null {
  const here = events[position.event];
  if (!here) return null;
  if (unit === 'iteration') return steppedIteration(events, position, direction);
  const steps = unit === 'agent' ? Array.from({ length: stepsOf(here) }, (_, step) => step) : roundsOf(here);
  const within =
    direction === 1 ? steps.find((step) => step > position.step) : steps.findLast((step) => step < position.step);
  if (within !== undefined) return { event: position.event, step: within };
  return direction === 1 ? next(events, position.event, unit) : before(events, position.event, unit);
}

function next(events: readonly RunEvent[], at: number, unit: ReplayUnit): Position | null {
  const event = stopFrom(events, at + 1, 1);
  if (event === null) return null;
  if (unit === 'agent') return { event, step: 0 };
  return { event: roundAt(events, event).last, step: roundsOf(events[event] as RunEvent)[0] ?? 0 };
}

function before(events: readonly RunEvent[], at: number, unit: ReplayUnit): Position | null {
  const event = stopFrom(events, (unit === 'round' ? roundAt(events, at).first : at) - 1, -1);
  return event === null ? null : whole(events, event);
}

function steppedIteration(events: readonly RunEvent[], position: Position, direction: Direction): Position | null {
  const { event, step } = position;
  const ends = iterationEnds(events);
  const end =
    direction === 1
      ? ends.find((at) => at > event || (at === event && step < stepsOf(events[at] as RunEvent) - 1))
      : ends.findLast((at) => at < event);
  if (end !== undefined) return whole(events, end);
  const first = stopFrom(events, 0, 1);
  if (direction === 1 || first === null || (first === event && step === 0)) return null;
  return { event: first, step: 0 };
}

/** Indices of the last stop of each iteration, and of what comes before the first. */
function iterationEnds(events: readonly RunEvent[]): number[] {
  const ends = events.flatMap((event, at) => {
    const end = event.type === 'iteration-started' ? stopFrom(events, at - 1, -1) : null;
    return end === null ? [] : [end];
  });
  const last = stopFrom(events, events.length - 1, -1);
  return [...new Set(last === null ? ends : [...ends, last])];
}

/** The stretches of a log, for a picture of it. What belongs to none, as its first event, goes with the stretch before it. */
export function stretchesOf(events: readonly RunEvent[]): Stretch[] {
  const stretches: Stretch[] = [];
  events.forEach((event, at) => {
    const kind = kindOf(event);
    const last = stretches.at(-1);
    if (kind === null) {
      if (last) last.to = at + 1;
      return;
    }
    const { iteration } = event as { iteration: number };
    if (last?.kind === kind && last.iteration === iteration) last.to = at + 1;
    else stretches.push({ kind, iteration, from: at, to: at + 1 });
  });
  return stretches;
}

function kindOf(event: RunEvent): Stretch['kind'] | null {
  switch (event.type) {
    case 'episode':
      return event.purpose === 'train' ? 'debate' : 'test';
    case 'evaluation':
      return 'test';
    case 'dataset':
      return 'data';
    case 'training-step':
      return 'train';
    default:
      return null;
  }
}

/** What an address says of a place: "replay/17", or "replay/17.2" within an episode. */
export function placeName({ event, step }: Position): string {
  return `replay/${event}${step > 0 ? `.${step}` : ''}`;
}

/** The place that an address names; null where it names none. It may lie behind the end of a log. */
export function placeNamed(name: string | null): Position | null {
  const [, event, step] = /^replay\/(\d{1,9})(?:\.(\d{1,6}))?$/.exec(name ?? '') ?? [];
  return event === undefined ? null : { event: Number(event), step: Number(step ?? 0) };
}

/** A place brought within a log; null stands for its end. */
export function placeWithin(events: readonly RunEvent[], place: Position | null): Position {
  const last = events.length - 1;
  if (last < 0) return START;
  if (place === null || place.event > last) return whole(events, last);
  return { event: place.event, step: Math.min(place.step, whole(events, place.event).step) };
}
