/** What passes between the exact engine and the threads that compute for it. */
import { MemoryPlanError, NonFiniteError, RequestError, type NonFinitePlace } from '../errors';
import type { ComputeOptions, GradientWork } from '../reference/compute';
import type { IndexedRequest } from '../reference/generate';
import type { FrozenWeights } from '../reference/packedTensor';
import type { AdapterId, AdapterWeights, GenerateResult, Projection, ScoreRequest } from '../types';

/** What a lane is asked. `call` names the request in the answers. */
export type LaneRequest =
  | { kind: 'open'; weights: FrozenWeights; options: ComputeOptions }
  | { kind: 'setAdapter'; id: AdapterId; weights: AdapterWeights }
  | { kind: 'deleteAdapter'; id: AdapterId }
  | { kind: 'generate'; rows: IndexedRequest[]; more: boolean; watched: boolean; parts: number }
  | { kind: 'score'; requests: readonly ScoreRequest[] }
  | { kind: 'embed'; requests: readonly ScoreRequest[] }
  | { kind: 'reward'; requests: readonly ScoreRequest[] }
  | { kind: 'grams'; request: ScoreRequest; projections: readonly Projection[] }
  | { kind: 'logits'; request: ScoreRequest }
  | { kind: 'gradient'; work: GradientWork; room: Float32Array<ArrayBuffer> | null };

export type ToLane =
  | { kind: 'call'; call: number; request: LaneRequest }
  /** Answers `take`. */
  | { kind: 'rows'; rows: IndexedRequest[]; more: boolean }
  | { kind: 'abort' };

export type FromLane =
  | { kind: 'done'; call: number; value: unknown; saturated: number; bytes: number }
  | { kind: 'failed'; call: number; error: PassedError }
  | { kind: 'take'; count: number }
  | { kind: 'tokens'; tokens: [row: number, ids: number[]][] }
  | { kind: 'row'; row: number; result: GenerateResult }
  /** Part of long work is done. */
  | { kind: 'worked' };

/** What the answer to a gradient is. */
export interface LaneGradient {
  loss: number;
  gradient: Float32Array<ArrayBuffer>;
}

/** One end of a line between two threads. */
export interface LanePort<In, Out> {
  post(message: Out, transfer?: Transferable[]): void;
  listen(heard: (message: In) => void): void;
}

/** A lane as it was started: the line to it, how it is ended, who is told when it ends without being asked to. */
export interface StartedLane extends LanePort<FromLane, ToLane> {
  onEnd(ended: (why: string) => void): void;
  end(): void;
}

export type StartLane = () => StartedLane;

/** An error with what tells it apart. */
export interface PassedError {
  name: string;
  message: string;
  place?: NonFinitePlace;
}

export function passedError(error: unknown): PassedError {
  if (error instanceof NonFiniteError) return { name: error.name, message: error.message, place: error.place };
  if (error instanceof Error) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}

export function arrivedError({ name, message, place }: PassedError): Error {
  if (place) return new NonFiniteError(message, place);
  if (name === MemoryPlanError.name) return new MemoryPlanError(message);
  if (name === RequestError.name) return new RequestError(message);
  return new Error(message);
}
