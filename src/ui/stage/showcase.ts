/**
 * Which debate is on show. A fast device holds hundreds of debates a second: one of them is followed from the first token to
 * the vote, stays long enough to be read, and then whatever is at work takes its place.
 */
import type { DebateHeld } from '../../events';
import type { LabStatus, LoopPhase, PartialDebate } from '../../lab/types';
import { groupKey, type LogIndex } from '../model/logIndex';
import { restingScene, type Scene } from './model';

/** Milliseconds that something stays at least. */
const STAYS = { vote: 1_300, data: 1_300, evaluate: 1_300, other: 350 } as const;

export interface Shown {
  scene: Scene;
  phase: LoopPhase | null;
  /** Milliseconds after which to look again although nothing new came; null = no need. */
  again: number | null;
}

export class Showcase {
  #scene: Scene = null;
  #phase: LoopPhase | null = null;
  /** When the phase on show began. */
  #since = -Infinity;
  /** Iteration whose data sets were shown being built. */
  #builtFor = 0;

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
      this.#turn('vote', now);
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
    if (next.phase === 'data') this.#builtFor = newestBuilt(index);
    const skipped = status.phase !== next.phase;
    return { scene: this.#scene, phase: this.#phase, again: skipped ? this.#stays() : null };
  }

  #turn(phase: LoopPhase | null, now: number): void {
    if (phase !== this.#phase) this.#phase = phase;
    this.#since = now;
  }

  #stays(): number {
    const phase = this.#phase;
    return phase === 'vote' || phase === 'data' || phase === 'evaluate' ? STAYS[phase] : STAYS.other;
  }

  /** The debate that was followed while sampled, once it is in the log. */
  #finished(index: LogIndex): DebateHeld | null {
    const scene = this.#scene;
    return scene && 'sampling' in scene ? heldOf(index, scene.sampling) : null;
  }

  #next(index: LogIndex, phase: LoopPhase, partial: PartialDebate | null): { scene: Scene; phase: LoopPhase } {
    // Choosing the examples takes no time worth showing, so it is shown when it has been done.
    if (newestBuilt(index) > this.#builtFor && (phase === 'finetune' || phase === 'data'))
      return { scene: restingScene(index), phase: 'data' };
    if (phase === 'data' || phase === 'finetune') return { scene: restingScene(index), phase };
    if (phase === 'evaluate') return { scene: this.#scene, phase };
    const scene = wanted(index, partial);
    if (scene && 'held' in scene) return { scene, phase: 'vote' };
    // The status may be a message ahead of the text.
    const round = scene ? scene.sampling.round : 1;
    const early = phase === 'ask' || phase === 'answer';
    if (early === (round === 1) && phase !== 'vote') return { scene, phase };
    return { scene, phase: round === 1 ? 'answer' : 'revise' };
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

function heldOf(index: LogIndex, { purpose, team, iteration, problem }: PartialDebate): DebateHeld | null {
  return index.groups.get(groupKey(purpose, team, iteration))?.byProblem.get(problem)?.debate ?? null;
}

function newestBuilt(index: LogIndex): number {
  return Math.max(0, ...index.datasets.keys());
}

function keyOf(scene: NonNullable<Scene>): string {
  const { purpose, team, iteration, problem } = 'held' in scene ? scene.held : scene.sampling;
  return `${groupKey(purpose, team, iteration)} ${problem}`;
}

function sameScene(a: Scene, b: Scene): boolean {
  return a === b || (a !== null && b !== null && 'held' in a === 'held' in b && keyOf(a) === keyOf(b));
}

/** Another state of the same debate while it is sampled: it is drawn at once. */
function growsInto(a: Scene, b: Scene): boolean {
  return a === null || (b !== null && 'sampling' in a && 'sampling' in b && keyOf(a) === keyOf(b));
}
