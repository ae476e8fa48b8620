/**
 * What answers a call: an engine with a tokenizer, the log of an interrupted run, another runtime, a script of the tests. Recipes see
 * nothing else of the world. No GPU, DOM or database here.
 */
import type { MergeRule } from '../engine/merge/rules';
import type { AdapterConfig, OptimiserSettings, TrainStepEvent } from '../engine/types';
import type { EpisodeKey, ObjectiveName, RuntimeRecord, Shortened } from '../events';
import type { ChatMessage } from '../tasks/types';

/** What a runtime can give. What it cannot give is left out of answers, never made up. */
export interface RuntimeCapabilities {
  /** Ids of the sampled tokens. */
  ids: boolean;
  /** Log-probabilities of the sampled tokens. */
  logprobs: boolean;
  /** Margins between the two largest logits. */
  margins: boolean;
  /** Answers by adapters that it holds. */
  adapters: boolean;
  /** Training of adapters. */
  training: boolean;
  /** Log-probabilities of given texts, as sums (`score`) and token by token (`Question.given`). */
  scores: boolean;
  /** Embeddings of given texts. */
  embeddings: boolean;
  /** Rewards of given texts by an adapter with a head. */
  rewards: boolean;
  /** Answers by several adapters, each token from the mixture of their probabilities. */
  mixtures: boolean;
  /** Adapters as one. */
  merging: boolean;
  /** Gram matrices of what its layers read, which merging by RegMean needs. */
  grams: boolean;
  /** The same answer to the same call, bit by bit. */
  repeats: boolean;
}

/** Words of a named draw (src/random.ts); the seed is the run's. */
export interface DrawWords {
  stream: number;
  iteration: number;
  agent: number;
  problem: number;
  round: number;
}

/** How a response is sampled. */
export interface Sampling {
  temperature: number;
  topK: number;
  topP: number;
  /** Tokens of a response at most. */
  maxTokens: number;
}

/** A call: who is asked what. */
export interface Question {
  /** Episode that the answer becomes a turn of. */
  at: EpisodeKey;
  /** Name of the call within the episode. */
  call: string;
  /** What is asked: `answer`, `revision`, `summary`, … */
  kind: string;
  /** Id of the agent, and the seat for which it speaks. */
  agent: string;
  seat: number;
  /** Round or depth, 0.. */
  layer: number;
  /** Adapter that answers, null = the base model. */
  adapter: string | null;
  /** Several adapters instead, with weights above 0; `adapter` is null then. */
  mixture?: MixtureShare[];
  messages: ChatMessage[];
  /**
   * The response, given instead of sampled (teacher forcing): the answer is this text with its ids, the log-probability of each of its
   * tokens, and margins of the given token against the most probable one: 0 where it is that one, below 0 elsewhere. The token that ends
   * a response is part of it. By one adapter at a time, and only where `can.scores`.
   */
  given?: string;
  draw: DrawWords;
  /** What differs from the run's sampling. */
  sampling?: Partial<Sampling>;
  /** Texts of agents that the messages hold and that may be cut if there is no room; absent where there are none. */
  quotes?: QuotedTexts;
}

/** An adapter of an ensemble (null: the base) and its weight, a number above 0. */
export interface MixtureShare {
  adapter: string | null;
  weight: number;
}

export interface QuotedTexts {
  /** As `Shortened` counts them. */
  others: string[];
  own: string;
  /** The question's messages with so much of the texts. */
  messages(kept: Shortened): ChatMessage[];
}

/** Raw response. Values are as the runtime gave them; the log rounds. */
export interface Answer {
  text: string;
  finish: 'stop' | 'length';
  /** Sampled tokens, the one that ended the response included. */
  tokens: number;
  /** Absent where the runtime does not give them. */
  ids?: number[];
  logprobs?: number[];
  margins?: number[];
  /** Present where the question's quotes were cut. */
  shortened?: Shortened;
  /** Name of the runtime that answered; absent = the engine. */
  runtime?: string;
  /** The seed that it was sent. */
  seed?: number;
}

/** One text to learn: its loss is on the completion only, and on the end after it. */
export interface FinetuneExample {
  messages: ChatMessage[];
  completion: string;
  /** The completion as it was sampled, its end token included: learnt as it is, where it is known. */
  ids?: number[];
  /** Present where the response was cut at its length limit: it has no end, and none is learned where it was cut. */
  cut?: true;
  /** Weight of the completion's tokens; absent = 1. */
  weight?: number;
  /** Weight of each of the completion's tokens, the end token included, beside `weight`; absent = 1 for all. */
  tokenWeights?: number[];
  /** KTO only. */
  desirable?: boolean;
}

export interface FinetuneTrack {
  adapter: string;
  examples: FinetuneExample[];
  /** Indices of the examples (of `pairs`, where there are some) of each optimiser step. */
  batches: number[][];
  /** Preferences: indices of examples. */
  pairs?: { chosen: number; rejected: number }[];
  /** DPO and KTO: adapter that is the reference; absent or null = the base, its own name = itself as the job begins. */
  reference?: string | null;
}

/** Adapters that are trained together, under a name that is used once in a run. */
export interface TrainingJob {
  job: string;
  iteration: number;
  objective: ObjectiveName;
  tracks: FinetuneTrack[];
  optimiser: OptimiserSettings;
}

/** A text whose log-probability, embedding or reward is asked for. */
export interface ScoreQuestion {
  adapter: string | null;
  messages: ChatMessage[];
  completion: string;
  ids?: number[];
  /** Of a log-probability: the mean over the completion's tokens in place of their sum. */
  mean?: true;
  /** The turn that it is, and under whose name what is found becomes a verdict: a resumed run reads it in the log. */
  of?: { at: EpisodeKey; turn: number; by: string };
}

/** An adapter that is made of others, as they are now. */
export interface MergeJob {
  name: string;
  iteration: number;
  adapters: string[];
  rule: MergeRule;
  /** For `regmean`: the texts of each adapter, in their order, whose inputs of layers count. */
  texts?: readonly (readonly FinetuneExample[])[];
}

export interface MergedAdapter {
  hash: string;
  /** Share of the norm that the adapter's rank cannot hold, 0..1. */
  lost: number;
}

export interface RuntimeIdentity {
  model: { name: string; hash: string };
  /** A second base model that some adapters belong to; absent = there is none. */
  secondModel?: { name: string; hash: string };
  /** What computes it, for the log. */
  engine: string;
  /** Version of its arithmetic. */
  arithmetic: number;
  /** Those that play some of the seats beside it. */
  runtimes?: RuntimeRecord[];
}

export interface Runtime {
  readonly can: RuntimeCapabilities;
  /** Somebody follows what is asked call by call: nothing else should be in a call. Absent = nobody does. */
  readonly followed?: boolean;
  /** Answers in the order of the questions. */
  ask(questions: Question[]): Promise<Answer[]>;
  /** Trains the tracks together, in place; one event per optimiser step. Tracks without batches are left as they are. */
  train(job: TrainingJob): AsyncGenerator<TrainStepEvent, void, void>;
  /** New adapter with PEFT's initialisation from the seed; replaces one of that name. */
  createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void>;
  /** Hash of an adapter as it is now, hex (`hashAdapter`). `job` = the job that trained it last. */
  adapterHash(name: string, job: string): Promise<string>;
  /** Σ log p of the completion's tokens, or their mean where it is asked for, one number a text. Absent where `can.scores` is false. */
  score?(questions: ScoreQuestion[]): Promise<number[]>;
  /**
   * Of each text how far it lies from the others about its problem (`of.at`): the mean of 1 − cos between embeddings, which are mean hidden
   * states of prompt and completion. Absent where `can.embeddings` is false.
   */
  dissimilarity?(questions: ScoreQuestion[]): Promise<number[]>;
  /** Reward of each text by the head of its adapter. Absent where `can.rewards` is false. */
  reward?(questions: ScoreQuestion[]): Promise<number[]>;
  /** New adapter made of others, which replaces one of that name. Absent where `can.merging` is false. */
  merge?(job: MergeJob): Promise<MergedAdapter>;
  describe(): RuntimeIdentity;
}

/** A runtime that is only asked. */
export type Asking = Pick<Runtime, 'ask'>;

/** What plays agents that do not learn, beside the engine. */
export interface Voice {
  readonly can: RuntimeCapabilities;
  /** Answers in the order of the questions. @throws VoiceError and its kinds */
  ask(questions: Question[]): Promise<Answer[]>;
  describe(): RuntimeRecord;
  /** Lets go of what it holds. */
  close(): Promise<void>;
}

/** A runtime that gives texts alone. */
export const NOTHING_GIVEN: Readonly<RuntimeCapabilities> = {
  ids: false,
  logprobs: false,
  margins: false,
  adapters: false,
  training: false,
  scores: false,
  embeddings: false,
  rewards: false,
  mixtures: false,
  merging: false,
  grams: false,
  repeats: false,
};

/** Names of what a runtime gives, for the log. */
export function givenNames(can: RuntimeCapabilities): string[] {
  return Object.entries(can).flatMap(([name, gives]) => (gives ? [name] : []));
}
