/** Where the responses of an episode go after its verdict: into which data set, or nowhere and why. The recipe's rule says it. */
import type { RunConfig } from '../../recipes/config';
import type { Fate } from '../../society/fate';
import type { EpisodeView } from '../readings/episodes';
import { sameAnswer, type LogIndex } from '../readings/logIndex';
import { recipeOf } from '../readings/runCast';

/** Bin of what could have been an example and is none. */
export const DROPPED_BIN = 'dropped';

/** Bin of the worse turns of preferences. */
export const REJECTED_BIN = 'rejected';

/** Where a response of a training episode goes. */
export interface Destination {
  adapter: string;
  /** Kind of example, or `DROPPED_BIN`. */
  bin: string;
  why: string;
}

/** Of a seat's first and last response. */
export interface Destinations {
  first: Destination | null;
  last: Destination | null;
}

/** One fate a turn; none where this version of the lab does not know the recipe's rule. */
export function fatesOf(index: LogIndex, config: RunConfig, { episode }: EpisodeView): Fate[] {
  return recipeOf(config)?.fate?.(episode, config, (a, b) => sameAnswer(index, a, b)) ?? [];
}

/** null: nobody learns from such turns. */
export function destinationOf(fate: Fate | undefined): Destination | null {
  if (!fate || fate.to === 'unused') return null;
  const { adapter, why } = fate;
  return { adapter, bin: fate.to === 'dataset' ? fate.kind : DROPPED_BIN, why };
}

/** Where a seat's responses go. Sets are mixed later, when all episodes of the iteration are held. */
export function destinationsOf(index: LogIndex, config: RunConfig, view: EpisodeView, seat: number): Destinations {
  const fates = fatesOf(index, config, view);
  const at = (layer: number) => {
    const place = view.places[layer]?.find((turn) => view.episode.turns[turn]?.seat === seat);
    return place === undefined ? null : destinationOf(fates[place]);
  };
  const last = view.places.length - 1;
  return { first: at(0), last: last > 0 ? at(last) : null };
}
