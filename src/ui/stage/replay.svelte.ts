/** A replay under way: where it stands in a log, whether it plays, and how fast. It computes nothing: the log has everything. */
import type { RunEvent } from '../../events';
import type { RunConfig } from '../../recipes/config';
import { Charted } from '../readings/charted';
import { indexLog, type LogIndex } from '../readings/logIndex';
import { Prefixes } from '../readings/prefixes';
import {
  placeIn,
  placeWithin,
  START,
  stepped,
  stretchesOf,
  whole,
  type Direction,
  type Position,
  type ReplayUnit,
} from '../readings/replay';
import { recipeOf, stagesOf } from '../readings/runCast';
import { nextMove, REPLAY_SPEEDS } from '../readings/tour';
import { pictureAt } from './replayPicture';
import { sentenceAt } from './replaySentences';

export type SpeedKey = (typeof REPLAY_SPEEDS)[number]['key'];

/** Share of an answer's time in which its text appears. */
const WRITING = 0.6;
/** Milliseconds between two pictures of a text that appears. */
const FRAME = 50;

/** Pictures should stand still unless somebody asks for more. */
export function wantsStillness(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

export class Replay {
  /** null = at the end of the log, also while it grows. */
  #place = $state.raw<Position | null>(null);
  playing = $state(false);
  speed = $state<SpeedKey>('highlights');
  /** Share of the texts of the layer on show that is written, 0..1. */
  #typed = $state(1);
  #timers: ReturnType<typeof setTimeout>[] = [];

  readonly #events: () => readonly RunEvent[];
  readonly #stages: ReturnType<typeof stagesOf>;
  readonly #prefixes = new Prefixes();
  readonly config: RunConfig;

  readonly full: LogIndex = $derived.by(() => indexLog(this.#events()));
  readonly picture = $derived.by(() =>
    pictureAt(this.events, this.full, this.#prefixes, this.#stages, this.position, this.#typed),
  );
  readonly sentence: string = $derived.by(() =>
    sentenceAt(this.events, this.picture.index, recipeOf(this.config), this.position),
  );
  readonly stretches = $derived.by(() => stretchesOf(this.events));
  /** Within what is read of the log. */
  readonly position: Position = $derived.by(() => placeWithin(this.events, this.#place));
  /** The last place of the log as far as it is read. */
  readonly atEnd: boolean = $derived.by(() => stepped(this.events, this.position, 'agent') === null);

  readonly #charted = new Charted();
  /** The index up to the place, replaced only when something came that charts draw. */
  readonly charts: LogIndex = $derived.by(() => this.#charted.of(this.picture.index));

  /** @param events of the run on show, read reactively */
  constructor(config: RunConfig, events: () => readonly RunEvent[]) {
    this.config = config;
    this.#events = events;
    this.#stages = stagesOf(config);
  }

  get events(): readonly RunEvent[] {
    return this.#events();
  }

  /** Plays on, from the beginning where it is over. */
  play(): void {
    if (this.atEnd) this.#place = START;
    this.playing = true;
    this.#advance();
  }

  pause(): void {
    this.playing = false;
    this.#rest();
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Goes to a place and stays there. */
  seek(position: Position): void {
    this.pause();
    this.#place = position;
  }

  /** Shows an event with all that it has. */
  seekEvent(event: number): void {
    this.seek(whole(this.events, event));
  }

  step(unit: ReplayUnit, direction: Direction = 1): void {
    const to = stepped(this.events, this.position, unit, direction);
    if (to) this.seek(to);
    else this.pause();
  }

  setSpeed(speed: SpeedKey): void {
    this.speed = speed;
    if (this.playing) this.#advance();
  }

  #rest(): void {
    this.#timers.forEach(clearTimeout);
    this.#timers = [];
    this.#typed = 1;
  }

  #advance(): void {
    this.#rest();
    if (!this.playing) return;
    const speed = REPLAY_SPEEDS.find(({ key }) => key === this.speed) ?? REPLAY_SPEEDS[0];
    const move = nextMove(this.events, this.full, this.position, speed);
    if (!move) {
      this.playing = false;
      return;
    }
    this.#place = move.to;
    this.#timers.push(setTimeout(() => this.#advance(), move.hold));
    if (this.#writes(move.to) && speed.shows !== 'none' && !wantsStillness()) this.#write(WRITING * move.hold);
  }

  /** Is a layer of answers on show there? */
  #writes({ event, step }: Position): boolean {
    const at = this.events[event];
    return at?.type === 'episode' && placeIn(at, step) !== 'outcome';
  }

  #write(milliseconds: number): void {
    const began = performance.now();
    const draw = () => {
      this.#typed = Math.min(1, (performance.now() - began) / milliseconds);
      if (this.#typed < 1) this.#timers.push(setTimeout(draw, FRAME));
    };
    draw();
  }
}
