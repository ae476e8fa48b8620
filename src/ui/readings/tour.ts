/** How a replay plays: from each place, which one follows and how long it stays. */
import { groupName, type Episode, type RunEvent } from '../../events';
import { headlineLearner } from '../looks';
import { MARKS, groupKey, type LogIndex } from './logIndex';
import { isStop, placeIn, roundAt, stepped, stepsOf, whole, type Position } from './replay';

/** How a replay goes through a log. */
export interface ReplaySpeed {
  key: string;
  label: string;
  /** Milliseconds that an answer stays; an outcome stays longer. */
  pace: number;
  /** Which debates are shown from the first answer on: a few of each kind, all, or none. */
  shows: 'some' | 'all' | 'none';
}

export const REPLAY_SPEEDS = [
  { key: 'highlights', label: 'Highlights', pace: 1_300, shows: 'some' },
  { key: 'debates', label: 'Every debate', pace: 450, shows: 'all' },
  { key: 'slow', label: 'Slow motion', pace: 1_250, shows: 'all' },
  { key: 'read', label: 'Slow motion, time to read', pace: 3_500, shows: 'all' },
  { key: 'full', label: 'Full speed', pace: 100, shows: 'none' },
] as const satisfies readonly ReplaySpeed[];

/** Where a replay goes next. */
export interface Move {
  to: Position;
  /** Milliseconds that it stays there. */
  hold: number;
}

/** Milliseconds of a picture among many that pass. */
const PASSING = 110;
/** Pictures of a stretch that passes. */
const PICTURES = 12;
/** Pictures of the whole log at full speed. */
const ALL_PICTURES = 200;
/** Debates of a group among which one is looked for in which an agent changes its answer. */
const LOOKED_AT = 24;

/** The next place and its time; null at the end of the log. */
export function nextMove(
  events: readonly RunEvent[],
  index: LogIndex,
  position: Position,
  speed: ReplaySpeed,
): Move | null {
  if (speed.shows === 'none') return hurried(events, position);
  const within = stepped(events, position, 'round');
  if (!within) return null;
  if (within.event === position.event) return { to: within, hold: holdAt(events, within, speed) };
  const at = nextStop(events, position.event);
  if (at === null) return null;
  const event = events[at] as RunEvent;
  if (event.type === 'training-step') return trained(events, position, at, speed);
  if (event.type === 'episode' && speed.shows === 'some' && !chosen(index, event)) return passing(events, index, at);
  const to = event.type === 'episode' ? within : whole(events, roundAt(events, at).last);
  return { to, hold: holdAt(events, to, speed) };
}

function nextStop(events: readonly RunEvent[], from: number): number | null {
  for (let at = from + 1; at < events.length; at++) if (isStop(events[at] as RunEvent)) return at;
  return null;
}

/** Milliseconds that a place stays. */
function holdAt(events: readonly RunEvent[], { event, step }: Position, { pace }: ReplaySpeed): number {
  const at = events[event] as RunEvent;
  if (at.type === 'training-step') return Math.max(PASSING, pace / 8);
  if (at.type !== 'episode') return 1.8 * pace;
  return placeIn(at, step) === 'outcome' ? 1.5 * pace : pace;
}

/** Steps of training pass in a number of pictures, however many there are, and the last one stays; slow motion shows each. */
function trained(events: readonly RunEvent[], from: Position, at: number, speed: ReplaySpeed): Move {
  const { first, last } = roundAt(events, at);
  const hold = (event: number) => (event === last ? 1.8 * speed.pace : holdAt(events, { event, step: 0 }, speed));
  if (speed.key === 'slow' || speed.key === 'read') return { to: { event: at, step: 0 }, hold: hold(at) };
  const stride = Math.max(1, Math.ceil((last - first + 1) / (2 * PICTURES)));
  const to = Math.min(last, Math.max(at, from.event + stride));
  const event = isStop(events[to] as RunEvent) ? to : at;
  return { to: { event, step: 0 }, hold: hold(event) };
}

/** Debates of a group that are not shown in full go by with their outcomes. */
function passing(events: readonly RunEvent[], index: LogIndex, at: number): Move {
  const group = groupName(events[at] as Episode);
  let end = at;
  const same = (event: RunEvent | undefined) => event?.type === 'episode' && groupName(event) === group;
  while (same(events[end + 1]) && !chosen(index, events[end + 1] as Episode)) end++;
  let first = at;
  while (same(events[first - 1])) first--;
  const stride = Math.max(1, Math.ceil((end - first + 1) / PICTURES));
  return { to: whole(events, Math.min(end, at + stride - 1)), hold: PASSING };
}

/**
 * Is this debate one that highlights show in full? Of each test the first of the base and of the learner that the run is about; of training
 * the first of that learner and the first after it in which an agent changes its answer.
 */
function chosen(index: LogIndex, { purpose, learner, iteration, problem }: Episode): boolean {
  const headline = headlineLearner(index.cast);
  if (learner !== headline && (purpose === 'train' || learner !== index.cast.learners[0]?.key)) return false;
  const rows = index.groups.get(groupKey(purpose, learner, iteration))?.rows ?? [];
  if (rows[0]?.debate.problem === problem) return true;
  if (purpose !== 'train') return false;
  const changed = rows.slice(1, LOOKED_AT).find(({ marks }) => (marks & MARKS.changed) !== 0);
  return changed?.debate.problem === problem;
}

/** Through the whole log in a number of pictures. */
function hurried(events: readonly RunEvent[], { event, step }: Position): Move | null {
  const last = events.length - 1;
  if (event >= last) return null;
  if (step < stepsOf(events[event] as RunEvent) - 1) return { to: whole(events, event), hold: PASSING };
  const at = Math.min(last, event + Math.max(1, Math.ceil(events.length / ALL_PICTURES)));
  return { to: whole(events, at), hold: PASSING };
}
