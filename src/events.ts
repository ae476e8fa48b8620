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
  /** Name of the runtime that plays it; absent = the engine. Its adapter is then never made. */
  runtime?: string;
}

/** A runtime beside the engine. */
export interface RuntimeRecord {
  /** As the setting `seats` names it. */
  name: string;
  /** Package and version, or the protocol. */
  engine: string;
  /** The model that answered, and one sha-256 over its files, hex; '' where nobody can know them. */
  model: { name: string; hash: string };
  /** sha-256 over the runtime's own binary files, hex; absent where there are none. */
  files?: string;
  /** What an endpoint says of itself (`system_fingerprint`). */
  fingerprint?: string;
  /** Format of the weights, as far as it is known. */
  dtype?: string;
  /** What it computes on, as far as it is known. */
  device?: string;
  /** What it gives, as it was found out when it was opened: names of `RuntimeCapabilities`. */
  gives: string[];
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
  /** Triples of method keys: what share of the gap between the weak one and the ceiling does the student recover (PGR)? Absent: none. */
  recovered?: [weak: string, student: string, ceiling: string][];
}

export interface RunStarted extends Cast {
  type: 'run-started';
  format: 2;
  recipe: Revision;
  preset: Revision;
  task: Revision;
  config: RunConfig;
  model: { name: string; /** sha-256 of the weights file(s), hex */ hash: string };
  /** A second base model, where the settings name one; absent = there is none. */
  secondModel?: { name: string; hash: string };
  /** What computes it (`describeEngine`), and the version of its arithmetic: a higher one may give other bits. */
  engine: string;
  arithmetic: number;
  /** The runtimes that play some of the seats; absent = the engine plays all. The setting `seats` says who plays where. */
  runtimes?: RuntimeRecord[];
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
  /** Name of the runtime that answered; absent = the engine. Its ids are those of its own tokenizer. */
  runtime?: string;
  /** The seed that it was sent; absent where its draws are the lab's own, or it takes none. */
  seed?: number;
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
  /** Weight of each token of the turn beside it, thousandths, packed; absent = all 1. 0 masks a token. */
  tokens?: string;
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

/** Made of other adapters. */
export interface MergeOrigin {
  merge: string[];
  rule: string;
  /** Share of the norm that the adapter's rank cannot hold, 0..1 in thousandths; absent where nothing is lost. */
  lost?: number;
}

/** Where the weights of an adapter come from. */
export type AdapterOrigin = { job: string; steps: number } | MergeOrigin | { imported: string };

/** Stands for the job of an adapter that was merged. */
export const MERGED = 'merged';

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

/** What somebody found about turns of a group when their episodes were in the log already. */
export interface Judged {
  type: 'judged';
  iteration: number;
  /** As in a verdict. */
  by: string;
  /** Group that the turns are in. */
  from: GroupKey;
  turns: { problem: number; turn: number }[];
  /** One for each of `turns`. */
  scores: number[];
}

/** Numbers that a recipe found out about its own work, by name: the weight of an expert, an effective sample size. */
export interface Measured {
  type: 'measured';
  iteration: number;
  /** Key of the learner that they are about. */
  learner: string;
  /** What they are of, for people: "round 2". */
  name: string;
  /** In the order in which they are shown; rounded to six decimals. */
  values: Measure[];
}

export interface Measure {
  /** For people, the same in every iteration: "pairs that the teacher swapped". */
  label: string;
  value: number;
  /** Of how many; absent = it is no share. */
  of?: number;
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
  | Judged
  | Measured
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
