/** Everything that defines an experiment. Two equal configurations with one model on one device give one log. */
import type { CacheDtype, Projection, WeightDtype } from '../engine/types';

export interface ExperimentConfig {
  recipe: 'multiagent-finetuning';
  /** Preset this started from, for people. */
  preset: string;
  /**
   * Folder under static/models, or an address of src/models/address.ts. In logs of the command line the base name of any folder (older
   * ones have its path): the hash beside it says which model it was.
   */
  model: string;
  /** Keys of the model's config.json that the user chose to ignore, sorted; absent = none. See `ConfigOptions` of the engine. */
  ignoreConfig?: string[];
  /** Format of the frozen weights; absent = f32. */
  dtype?: WeightDtype;
  /** Format of keys and values where one was asked for; absent = as `EngineOptions.cache` chooses by the device. */
  cache?: CacheDtype;
  task: string;
  /** The file of problems of a task that reads one. */
  data?: { /** base name */ name: string; /** of the file's bytes, hex */ sha256: string };
  /** Non-negative integer below 2^53. */
  seed: number;
  /** N */
  agents: number;
  /** M */
  rounds: number;
  /** L */
  iterations: number;
  trainProblems: number;
  evaluationProblems: number;
  /** The same training problems in every iteration (the paper), or new ones. */
  problems: 'same' | 'fresh';
  sampling: { temperature: number; topK: number; topP: number; maxTokens: number };
  /** Chat tasks only (absent otherwise): who makes of the others' responses what a critic reads. */
  summary?: 'concatenate' | 'base-model';
  /** w: share of the critic's set sampled from C- (corrected answers); fallback in `mixtureSizes`. */
  criticShare: number;
  /** Fewest agreeing agents for a pseudo-label to be used; 1 = the paper's rule. */
  minimumVotes: number;
  /** What an iteration's finetuning starts from. */
  startFrom: 'current' | 'base';
  adapter: { rank: number; alpha: number; targets: Projection[] };
  finetune: {
    lr: number;
    schedule: 'constant' | 'linear' | 'cosine';
    /** Share of the longest society track's steps used for warm-up, in every track. */
    warmup: number;
    epochs: number;
    batchSize: number;
    clip: number | null;
  };
  /** Also finetune one model on its own majority labels, for comparison. */
  singleAgentBaseline: boolean;
  /** Problems per unit of work: the log grows, and a stop or crash costs, by this many debates. */
  chunk: number;
}
