/**
 * The log is the run: an append-only sequence of these events, in format 2. The page draws them, IndexedDB stores them, resuming
 * answers from them, the digests cover them. Every field is a function of the configuration and the runtime, so the same run
 * gives the same log; times and progress are kept beside the log, not in it. `src/log/lift.ts` reads format 1 as format 2.
 */
import type { Problem, Split } from './tasks/types';
import type { RunConfig } from './recipes/config';

/** Version of the event format that is written. */
export const LOG_FORMAT = 2;

/** How many characters a prompt kept of the texts that it quotes; the rest was cut off so that there is room for a response. */
export interface Shortened {
  /** Of the quoted texts in order, or of the one summary of them. */
  others: number[];
  /** Of the seat's own previous response. */
  own: number;
}

/** A name with the revision of what it named when the run was made. */
export interface Revision {
  id: string;
  revision: number;
}

/** Who can speak in a run. */
export interface Agent {
  id: string;
  /** For people: "generator A". */
  label: string;
  /** For people, the same word for all that do the same: "generator". */
  role: string;
  /** Place at the table, 0..; null = nobody's own. */
  seat: number | null;
  /** Adapter with which it answers; null = the base model. */
  adapter: string | null;
}

/** Whose weights play together: the untouched base, or what learns together. */
export interface Learner {
  key: string;
  /** For people: "Society finetuning". */
  label: string;
  /** For people, within a sentence: "the society". */
  name: string;
  /** Agents that learn, in the order of their data sets; none = the base. */
  agents: string[];
}

/** A way of answering that is evaluated. */
export interface Method {
  key: string;
  label: string;
  /** Key of a learner. */
  learner: string;
  /** How a problem is answered, the same word for all that do it alike: `single`, `majority`, `debate`. */
  answer: string;
  /** Generations that an answer costs: methods of equal calls can be compared at equal cost. */
  calls: number;
}

/** Everybody and everything that a run compares. The generic views draw from it. */
export interface Cast {
  agents: Agent[];
  /** The first is what plays before anything was learnt. */
  learners: Learner[];
  methods: Method[];
  /** Pairs of method keys that are compared in every iteration ≥ 1, the headline first. */
  compare: [first: string, second: string][];
}

export interface RunStarted extends Cast {
  type: 'run-started';
  format: 2;
  recipe: Revision;
  preset: Revision;
  task: Revision;
  config: RunConfig;
  model: { name: string; /** sha-256 of the weights file(s), hex */ hash: string };
  /** What computes it (`describeEngine`), and the version of its arithmetic: a higher one may give other bits. */
  engine: string;
  arithmetic: number;
  /** Version of the program that wrote the log. */
  build: string;
}

export interface ProblemsDrawn {
  type: 'problems';
  split: Split;
  iteration: number;
  problems: Problem[];
}

export interface IterationStarted {
  type: 'iteration-started';
  /** 1..L */
  iteration: number;
}

/** Which episodes belong together. */
export interface GroupKey {
  purpose: Split;
  /** Key of the learner that plays. */
  learner: string;
  iteration: number;
  /** Tells apart several groups of the same learner in one iteration; absent where there is one. */
  part?: string;
}

export interface EpisodeKey extends GroupKey {
  problem: number;
}

/** One answer of one agent. Numbers per token are packed (src/pack.ts). */
export interface Turn {
  /** Name of the call within its episode; together with the episode's key it names the call in the run. */
  call: string;
  /** What was asked: `answer`, `revision`, `summary`, … (src/society/prompts.ts). */
  kind: string;
  /** Id of an agent. */
  agent: string;
  /** Place at the table for which it spoke. */
  seat: number;
  /** Round or depth in the episode, 0..; a summary belongs to the layer that reads it. */
  layer: number;
  /** Indices of the turns that it read. */
  parents: number[];
  /** Completion without special tokens. */
  text: string;
  /** Canonical final answer; null = unreadable; absent where none is asked for. */
  answer?: string | null;
  finish: 'stop' | 'length';
  /** Sampled tokens, the stop token included. 0 = never sampled: the prompt left no room (text empty, answer null). */
  tokens: number;
  /** Sampled token ids, packed; absent where the runtime does not give them. */
  ids?: string;
  /** Log-probabilities, thousandths, packed; absent where the runtime does not give them. */
  logprobs?: string;
  /** Top-2 logit margins, hundredths, packed; absent where the runtime does not give them. */
  margins?: string;
  /** Present where the texts that the prompt quotes had to be cut. */
  shortened?: Shortened;
  /** Diagnostic with gold that no recipe reads: is the answer right? Absent where no gold is known or no answer is asked for. */
  right?: boolean;
}

/** What somebody found about turns of an episode. */
export interface Verdict {
  /** `vote`, or an agent or a program that scored. */
  by: string;
  /** Indices of the turns that were looked at. */
  of: number[];
  /** The answer it settled on; null = none was readable. */
  answer?: string | null;
  /** Votes: how many of `of` gave it. */
  count?: number;
  /** Votes: several answers had that count and a seeded draw chose. */
  tied?: boolean;
  /** Votes: how many distinct readable answers there were. */
  distinct?: number;
  /** Votes: all turns of the episode so far whose answer equals the winner. */
  joined?: number[];
  /** One score for each of `of`. */
  scores?: number[];
  /** `of` from best to worst. */
  ranking?: number[];
  /** Diagnostic with gold that no recipe reads. */
  right?: boolean;
}

/** Everything that was said about one problem, from the first answer to the verdict. */
export interface Episode extends EpisodeKey {
  type: 'episode';
  turns: Turn[];
  verdicts: Verdict[];
}

/** A turn of an episode of the data set's group, or of another group. */
export interface TurnRef {
  problem: number;
  turn: number;
  /** Present where it is another group than the data set's. */
  group?: GroupKey;
}

/** One example to learn from. */
export interface ExampleRef extends TurnRef {
  /** What the recipe calls such examples: "C-". */
  kind: string;
  /** Weight of the loss on the turn; absent = 1. Negative makes the turn less probable. */
  weight?: number;
  /** Preferences: the turn that this one is preferred to. */
  rejected?: TurnRef;
  /** Index of the turn under whose prompt it (and the rejected one) is learnt, where that is not its own. */
  prompt?: number;
}

/** The rule by which an adapter learns. */
export interface ObjectiveName {
  kind: 'sft' | 'dpo' | 'kto' | 'rank';
  beta?: number;
  margin?: number;
}

/** What one adapter learns from in one training job. */
export interface DatasetBuilt {
  type: 'dataset';
  iteration: number;
  job: string;
  adapter: string;
  objective: ObjectiveName;
  /** Group that the examples' turns are in. */
  from: GroupKey;
  examples: ExampleRef[];
  /** Candidates by kind, before mixing. */
  available: Record<string, number>;
  /** Turns not used, by reason. */
  dropped: { reason: string; count: number }[];
}

export interface TrainingStep {
  type: 'training-step';
  iteration: number;
  job: string;
  step: number;
  /** Of the job's longest track. */
  totalSteps: number;
  tracks: { adapter: string; loss: number; gradNorm: number; lr: number; tokens: number }[];
}

/** A job began again on a runtime that cannot repeat itself: its earlier steps do not count. */
export interface JobSuperseded {
  type: 'job-superseded';
  iteration: number;
  job: string;
  /** Steps that do not count. */
  steps: number;
}

/** Where the weights of an adapter come from. */
export type AdapterOrigin = { job: string; steps: number } | { merge: string[]; rule: string } | { imported: string };

export interface AdapterVersion {
  type: 'adapter';
  iteration: number;
  adapter: string;
  /** sha-256 over the configuration and the exported tensors in name order, hex. */
  hash: string;
  from: AdapterOrigin;
}

/** Right answers of one method, over the evaluation problems in order. */
export interface MethodScore {
  right: number;
  unreadable: number;
  n: number;
  /** '1' right, '0' wrong, one character a problem: what paired tests need. */
  correct: string;
}

/** One layer of the evaluated episodes. */
export interface LayerScore {
  /** By seat. */
  seats: { right: number; unreadable: number }[];
  /** Mean share of seats giving the majority answer; absent where nobody voted. */
  consensus?: number;
  /** Mean number of distinct readable answers. */
  distinctAnswers: number;
  /** Mean number of distinct texts. */
  distinctTexts?: number;
}

export interface EvaluationDone {
  type: 'evaluation';
  /** 0 = before any finetuning. */
  iteration: number;
  learner: string;
  scores: ({
    method: string;
    calls: number;
    /** Turns that its answer was made from. */ turns: number[];
  } & MethodScore)[];
  layers: LayerScore[];
}

/** Diagnostic with gold, never fed back: how good were the pseudo-labels of this iteration. */
export interface PseudoLabels {
  type: 'pseudo-labels';
  iteration: number;
  learner: string;
  problems: number;
  /** By number of agreeing agents (index = votes): how many problems, how many of those labels were right. */
  byVotes: { votes: number; problems: number; right: number }[];
  /** Problems whose label was accepted. */
  accepted: number;
  acceptedRight: number;
}

export interface RunFinished {
  type: 'run-finished';
  iterations: number;
}

export type RunEvent =
  | RunStarted
  | ProblemsDrawn
  | IterationStarted
  | Episode
  | DatasetBuilt
  | TrainingStep
  | JobSuperseded
  | AdapterVersion
  | PseudoLabels
  | EvaluationDone
  | RunFinished;

/** Name of a group of episodes: "train/society/1", or with its part "train/society/1/tree". */
export function groupName({ purpose, learner, iteration, part }: GroupKey): string {
  const name = `${purpose}/${learner}/${iteration}`;
  return part === undefined ? name : `${name}/${part}`;
}

/** Name of a call in the run: its group, problem and its name within the episode. */
export function callName(at: EpisodeKey, call: string): string {
  return `${groupName(at)}/${at.problem}/${call}`;
}
