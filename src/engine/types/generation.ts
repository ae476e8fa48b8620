/** What generation is asked for and gives. */
import type { AdapterId } from './adapters';

/**
 * Where a random stream starts: the draw for completion token t is Philox4x32-10 with
 * key = (seed low, seed high) and counter = (t, problem, agent | round << 16, iteration | stream << 16).
 */
export interface StreamKey {
  /** Non-negative integer below 2^53. */
  seed: number;
  /** Which kind of draw (see `STREAMS` in src/random.ts), below 2^16. */
  stream: number;
  iteration: number;
  agent: number;
  problem: number;
  round: number;
}

export interface SamplingSettings {
  /** 0 = greedy. */
  temperature: number;
  /** Keep the k most probable tokens; 0 = all. Ties with the k-th are kept. */
  topK: number;
  /** Keep the smallest set of most probable tokens with at least this mass; 1 = all. */
  topP: number;
  maxTokens: number;
  /** Sampling one of these ends the row; it is part of the returned ids. */
  stopIds: number[];
}

/** One adapter of an ensemble (null: the base) and its weight, a number above 0; weights are divided by their sum. */
export interface MixturePart {
  adapter: AdapterId | null;
  weight: number;
}

export interface GenerateRequest {
  /** Prompt, at least one id. */
  ids: ArrayLike<number>;
  adapter: AdapterId | null;
  /**
   * An ensemble instead of one adapter, which is null then: each next token comes from Σ w_k softmax(logits_k / T), and top-k and
   * top-p keep tokens of this mixture. The text takes as many rows as it has parts, at most maxRows and 16.
   */
  mixture?: readonly MixturePart[];
  sampling: SamplingSettings;
  key: StreamKey;
}

export interface GenerateResult {
  /** Sampled ids, the stop id included. */
  ids: number[];
  /** Natural log-probability of each sampled id under the full softmax at temperature 1, or the mixture of those. */
  logprobs: number[];
  /** Difference between the largest and second largest raw logit at each step, of a mixture between log-probabilities. */
  margins: number[];
  finish: 'stop' | 'length';
}

export interface GenerateOptions {
  /** Called as ids become known on the host (several steps at once); `row` indexes the requests. */
  onTokens?: (row: number, ids: number[]) => void;
  /** Called once per row when it has ended. */
  onRow?: (row: number, result: GenerateResult) => void;
  signal?: AbortSignal;
}
