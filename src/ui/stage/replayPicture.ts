/** What the stage draws of a place in a log: the log up to there, the episode as far as it is on show, and the stage of the loop. */
import type { Episode, RunEvent } from '../../events';
import type { Activity, LabStatus, StageId } from '../../lab/types';
import type { Moment, Stage } from '../../recipes/types';
import { viewOf } from '../readings/episodes';
import type { LogIndex } from '../readings/logIndex';
import type { Prefixes } from '../readings/prefixes';
import { placeIn, spokenLayers, type EpisodePlace, type Position } from '../readings/replay';
import { restingScene } from './picture';
import type { Scene } from './seats';

export interface ReplayPicture {
  /** Of the log up to the place. */
  index: LogIndex;
  scene: Scene;
  status: Pick<LabStatus, 'state' | 'activity' | 'phase'>;
  phase: StageId | null;
  /** How many seats' answers of the layer may be seen; null = all. */
  visible: number | null;
}

/**
 * @param full index of the log, or of what is read of it
 * @param typed share of the layer's texts that is written, 0..1; 1 draws them as finished
 */
export function pictureAt(
  events: readonly RunEvent[],
  full: LogIndex,
  prefixes: Prefixes,
  stages: readonly Stage[],
  { event, step }: Position,
  typed: number,
): ReplayPicture {
  const at = events[event];
  const place = at?.type === 'episode' ? placeIn(at, step) : null;
  const open = place !== null && place !== 'outcome';
  const index = prefixes.at(events, full, open ? event : event + 1);
  const phase = phaseOf(stages, at, place);
  const activity = at ? activityOf(at) : null;
  const scene = sceneOf(index, at, place, typed);
  return {
    index,
    scene,
    phase,
    // Nobody writes once the texts are there.
    status: { state: open && typed < 1 ? 'running' : 'paused', phase, activity },
    visible: open && place.visible < place.seats ? place.visible : null,
  };
}

function sceneOf(index: LogIndex, at: RunEvent | undefined, place: EpisodePlace | null, typed: number): Scene {
  if (at?.type === 'episode')
    return place === 'outcome' || place === null ? { held: viewOf(at) } : sampledScene(at, place.layer, typed);
  if (at?.type === 'evaluation' || at?.type === 'pseudo-labels') {
    const last = index.rows.at(-1);
    return last ? { held: last.debate } : null;
  }
  return restingScene(index);
}

function sampledScene(episode: Episode, layer: number, typed: number): Scene {
  const { purpose, learner, iteration, problem } = episode;
  const texts = spokenLayers(episode).map((turns) => {
    const seats: string[] = [];
    // A tree may have several turns of a seat in a layer: there is room for the first.
    for (const { seat, text } of turns) seats[seat] ??= text;
    return Array.from(seats, (text) => text ?? '');
  });
  const now = (texts[layer] ?? []).map((text) => text.slice(0, Math.ceil(typed * text.length)));
  const sampling = { purpose, learner, iteration, problem, round: layer + 1, texts: now };
  return { sampling: { ...sampling, earlier: texts.slice(0, layer) } };
}

function activityOf(event: RunEvent): Activity | null {
  if (event.type !== 'training-step') return null;
  const { iteration, step, totalSteps, tracks } = event;
  return { kind: 'finetune', iteration, step, totalSteps, adapters: tracks.map(({ adapter }) => adapter) };
}

function phaseOf(stages: readonly Stage[], at: RunEvent | undefined, place: EpisodePlace | null): StageId | null {
  const first = (moment: Moment) => stages.find((stage) => stage.moment === moment)?.id ?? null;
  switch (at?.type) {
    case 'episode': {
      const answering = stages.filter(({ moment }) => moment === 'answer');
      const layer = place === 'outcome' || place === null ? answering.length - 1 : place.layer;
      const answer = answering[Math.min(layer, answering.length - 1)]?.id ?? null;
      return place === 'outcome' && at.verdicts.length > 0 ? (first('verdict') ?? answer) : answer;
    }
    case 'dataset':
    case 'judged':
    case 'pseudo-labels':
      return first('data');
    case 'training-step':
    case 'adapter':
      return first('train');
    case 'evaluation':
    case 'measured':
      return first('evaluate');
    default:
      return null;
  }
}
