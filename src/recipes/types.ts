/**
 * What a recipe sees of the world: a `Society` that can be asked and finetuned. No GPU, DOM or database here; a
 * scripted fake society tests every recipe without a model.
 */
import type { AdapterConfig, OptimiserSettings, TrainStepEvent } from '../engine/types';
import type { RunEvent, Shortened } from '../events';
import { STREAMS } from '../random';
import type { ChatMessage, Task } from '../tasks/types';
import type { ExperimentConfig } from './config';

/**
 * The name of a draw (see src/random.ts); the seed is the run's. A summary has the round and agent of the response that it is
 * read for.
 */
export interface CallName {
  stream: number;
  iteration: number;
  agent: number;
  problem: number;
  round: number;
}

export interface Question {
  /** Adapter that answers, null = the base model. */
  adapter: string | null;
  messages: ChatMessage[];
  name: CallName;
  /** Texts of agents that the messages hold and that may be cut if there is no room; absent where there are none. */
  quotes?: QuotedTexts;
}

export interface QuotedTexts {
  /** As `Shortened` counts them. */
  others: string[];
  own: string;
  /** The question's messages with so much of the texts. */
  messages(kept: Shortened): ChatMessage[];
}

/** Raw response of the model. Values are as the engine gave them; the log rounds. */
export interface ModelResponse {
  text: string;
  finish: 'stop' | 'length';
  tokens: number;
  logprobs: number[];
  margins: number[];
  /** Present where the question's quotes were cut. */
  shortened?: Shortened;
}

/** Does the question ask for a summary of responses instead of a response? Its name says so. */
export function asksForSummary({ name: { stream } }: Question): boolean {
  return stream === STREAMS.summarise || stream === STREAMS.summariseEvaluation;
}

/** One finetuning example: loss on the completion only, and on the end token after it. */
export interface FinetuneExample {
  messages: ChatMessage[];
  completion: string;
  /** Present where the response was cut at its length limit: it has no end, and none is learned where it was cut. */
  cut?: true;
}

export interface FinetuneTrack {
  adapter: string;
  examples: FinetuneExample[];
  /** Indices of the examples of each optimiser step. */
  batches: number[][];
}

export interface Society {
  /** Answers in the order of the questions. */
  ask(questions: Question[]): Promise<ModelResponse[]>;
  /** Trains the tracks together, in place; one event per optimiser step. Tracks without batches are left as they are. */
  finetune(tracks: FinetuneTrack[], optimiser: OptimiserSettings): AsyncGenerator<TrainStepEvent, void, void>;
  /** New adapter with PEFT's initialisation from the seed; replaces one of that name. */
  createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void>;
  /** sha-256 of an adapter's exported tensors, hex. */
  adapterHash(name: string): Promise<string>;
  /** What the run-started event says about model and engine. */
  describe(): { model: { name: string; hash: string }; engine: string };
}

export type Recipe = (society: Society, task: Task, config: ExperimentConfig) => AsyncGenerator<RunEvent, void, void>;
