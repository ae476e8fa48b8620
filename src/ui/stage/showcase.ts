/**
 * Which episode is on show. A fast device holds hundreds of episodes a second: one of them is followed from the first token to
 * the verdict, stays long enough to be read, and then whatever is at work takes its place.
 */
import type { LabStatus, PartialDebate, StageId } from '../../lab/types';
import type { Moment, Stage } from '../../recipes/types';
import type { EpisodeView } from '../readings/episodes';
import { groupKey, type LogIndex } from '../readings/logIndex';
import { restingScene } from './picture';
import type { Scene } from './seats';

/** Milliseconds that something stays at least. */
const STAYS: Partial<Record<Moment, number>> = { verdict: 1_300, data: 1_300, evaluate: 1_300 };
const STAYS_ELSE = 350;

export interface Shown {
  scene: Scene;
  phase: StageId | null;
  /** Milliseconds after which to look again although nothing new came; null = no need. */
  again: number | null;
}

export class Showcase {
  readonly #stages: readonly Stage[];
  #scene: Scene = null;
  #phase: StageId | null = null;
  /** When the phase on show began. */
  #since = -Infinity;
  /** Iteration whose data sets were shown being built. */
  #builtFor = 0;

  /** @param stages of the run's recipe */
  constructor(stages: readonly Stage[]) {
    this.#stages = stages;
  }

  /** @param now milliseconds of any clock that only goes forward */
  look(
    now: number,
    index: LogIndex,
    status: Pick<LabStatus, 'state' | 'phase'> | null,
    partial: PartialDebate | null,
  ): Shown {
    if (!status || status.phase === null || status.phase === undefined) {
      this.#scene = status && partial ? wanted(index, partial) : restingScene(index);
      this.#phase = null;
      return { scene: this.#scene, phase: null, again: null };
    }
    const finished = this.#finished(index);
    if (finished) {
      this.#scene = { held: finished };
      this.#turn(this.#stageAt('verdict') ?? this.#phase, now);
    }
    const next = this.#next(index, status.phase, partial);
    const left = this.#stays() - (now - this.#since);
    const moves = next.phase !== this.#phase || !sameScene(next.scene, this.#scene);
    // The same scene grows with every token; another one waits until this one has been seen.
    if (moves && left > 0 && !growsInto(this.#scene, next.scene)) {
      return { scene: this.#scene, phase: this.#phase, again: left };
    }
    this.#scene = next.scene;
    if (next.phase !== this.#phase || moves) this.#turn(next.phase, now);
    if (this.#momentOf(next.phase) === 'data') this.#builtFor = newestBuilt(index);
    const skipped = status.phase !== next.phase;
    return { scene: this.#scene, phase: this.#phase, again: skipped ? this.#stays() : null };
  }

  #turn(phase: StageId | null, now: number): void {
    if (phase !== this.#phase) this.#phase = phase;
    this.#since = now;
  }

  #stays(): number {
    const moment = this.#momentOf(this.#phase);
    return (moment && STAYS[moment]) ?? STAYS_ELSE;
  }

  #momentOf(phase: StageId | null): Moment | null {
    return this.#stages.find(({ id }) => id === phase)?.moment ?? null;
  }

  #stageAt(moment: Moment): StageId | null {
    return this.#stages.find((stage) => stage.moment === moment)?.id ?? null;
  }

  /** The debate that was followed while sampled, once it is in the log. */
  #finished(index: LogIndex): EpisodeView | null {
    const scene = this.#scene;
    return scene && 'sampling' in scene ? heldOf(index, scene.sampling) : null;
  }

  #next(index: LogIndex, phase: StageId, partial: PartialDebate | null): { scene: Scene; phase: StageId } {
    const moment = this.#momentOf(phase);
    // Choosing the examples takes no time worth showing, so it is shown when it has been done.
    const data = this.#stageAt('data');
    if (data !== null && newestBuilt(index) > this.#builtFor && (moment === 'train' || moment === 'data'))
      return { scene: restingScene(index), phase: data };
    if (moment === 'data' || moment === 'train') return { scene: restingScene(index), phase };
    if (moment === 'evaluate') return { scene: this.#scene, phase };
    const scene = wanted(index, partial);
    if (scene && 'held' in scene) return { scene, phase: this.#stageAt('verdict') ?? phase };
    return { scene, phase: this.#answering(phase, scene ? scene.sampling.round : 1) };
  }

  /** The stage of a layer that is being answered, 1..: the one that is at work, unless its message is ahead of the text. */
  #answering(phase: StageId, round: number): StageId {
    const layers = this.#stages.filter(({ moment }) => moment === 'answer');
    const wanted = layers[Math.min(round, layers.length) - 1];
    const at = this.#stages.findIndex(({ id }) => id === phase);
    // Asking belongs to the answers that follow it.
    const own = this.#stages.slice(Math.max(at, 0)).find(({ moment }) => moment === 'answer');
    const moment = this.#momentOf(phase);
    if (!wanted || ((moment === 'ask' || moment === 'answer') && own === wanted)) return phase;
    return wanted.id;
  }
}

function wanted(index: LogIndex, partial: PartialDebate | null): Scene {
  if (!partial) {
    const last = index.rows.at(-1);
    return last ? { held: last.debate } : null;
  }
  const held = heldOf(index, partial);
  return held ? { held } : { sampling: partial };
}

function heldOf(index: LogIndex, { purpose, learner, iteration, problem }: PartialDebate): EpisodeView | null {
  return index.groups.get(groupKey(purpose, learner, iteration))?.byProblem.get(problem)?.debate ?? null;
}

function newestBuilt(index: LogIndex): number {
  return Math.max(0, ...index.datasets.keys());
}

function keyOf(scene: NonNullable<Scene>): string {
  const { purpose, learner, iteration, problem } = 'held' in scene ? scene.held : scene.sampling;
  return `${groupKey(purpose, learner, iteration)} ${problem}`;
}

function sameScene(a: Scene, b: Scene): boolean {
  return a === b || (a !== null && b !== null && 'held' in a === 'held' in b && keyOf(a) === keyOf(b));
}

/** Another state of the same debate while it is sampled: it is drawn at once. */
function growsInto(a: Scene, b: Scene): boolean {
  return a === null || (b !== null && 'sampling' in a && 'sampling' in b && keyOf(a) === keyOf(b));
}
