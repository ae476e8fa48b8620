/**
 * What a recipe is: one file that says its settings, its cast, what it evaluates, what it costs, what became of every turn, and its
 * loop. Nobody else knows its name: everything reads it through this interface, by way of the registry (`index.ts`).
 */
import type {
  Cast,
  DatasetBuilt,
  Episode,
  GroupKey,
  IterationStarted,
  AdapterVersion,
  Judged,
  Measured,
  ProblemsDrawn,
  TrainingStep,
} from '../events';
import type { Runtime, RuntimeCapabilities } from '../runtimes/types';
import type { Fate } from '../society/fate';
import type { Equal } from '../society/vote';
import type { Split, Task, Ungraded } from '../tasks/types';
import type { RunConfig } from './config';
import type { HumanJudge } from './human';
import type { SettingTable } from './settings';

/** A complete configuration to start from. */
export interface Preset<C extends RunConfig = RunConfig> {
  title: string;
  /** One sentence for people. */
  description: string;
  /** Grows when the configuration changes; logs name it. */
  revision: number;
  config: C;
}

/** When a stage is at work. */
export type Moment =
  /** Questions of the stage's kinds are put together. */
  | 'ask'
  /** They are being answered. */
  | 'answer'
  /** Episodes end with their verdict. */
  | 'verdict'
  | 'data'
  | 'train'
  | 'evaluate';

/** A part of the loop in words: for the track, lessons and progress. */
export interface Stage {
  id: string;
  moment: Moment;
  /** Kinds of turns, for `ask` and `answer`. */
  kinds?: readonly string[];
  title: string;
  /** One line, while the run goes at full speed. */
  what: string;
  /** One or two sentences more, in slow motion or on request. */
  why: string;
  /** What is said in the stage, where the speaker's role does not tell: "revision". Absent = the kind of the turn. */
  says?: string;
}

/** A kind of examples, for people. */
export interface ExampleKind {
  /** As in the log. */
  kind: string;
  /** Roles of the agents that learn from such examples. */
  roles: readonly string[];
  /** Absent = the kind. */
  label?: string;
  /** Which turns they are: "revisions that kept a right first answer". */
  line: string;
}

/** A stretch of a run's work, in order. */
export type Work =
  | {
      kind: 'episodes';
      iteration: number;
      purpose: Split;
      problems: number;
      /** Responses and summaries in all. */
      calls: number;
      /** Of those, the ones for a seat at the table, where another runtime may sit; absent = all. */
      table?: number;
    }
  | {
      kind: 'train';
      iteration: number;
      /** Expected examples, those that quote nobody and those that quote others. */
      solve: number;
      revise: number;
    }
  | {
      /** Examples pass forward once and nothing is learnt: what layers read in them is measured. */
      kind: 'read';
      iteration: number;
      /** As of `train`. */
      solve: number;
      revise: number;
    };

/** What a run asks of a device. Plan, estimate, meter and engine options read this one. */
export interface Need {
  /** Responses asked for at once, at most. */
  rows: number;
  /** Responses of one problem that are asked for at once. */
  seats: number;
  /** What the longest prompt quotes: texts of others (0 = nobody's), which the base model may summarise first. */
  quotes: { others: number; summarised: boolean };
  /** Adapters held at the same time. */
  adapters: number;
  /** Largest rank of them. */
  rank: number;
  /** Adapters that are trained together: those whose prompts quote nobody, and those whose prompts quote others. */
  tracks: { solve: number; revise: number };
  work: Work[];
}

/** Answers of a method over the evaluation problems, not graded yet. */
export interface AnsweredMethod {
  method: string;
  /** Turns of an episode that the answer was made from. */
  turns: number[];
  answers: (string | null)[];
}

/** What a recipe yields. Gold is not in it: `runRecipe` adds what is graded on the way into the log. */
export type Draft =
  | ProblemsDrawn
  | IterationStarted
  | Episode
  | DatasetBuilt
  | TrainingStep
  | AdapterVersion
  | Measured
  | Judged
  | { type: 'evaluate'; iteration: number; learner: string; group: GroupKey; methods: AnsweredMethod[] }
  | {
      type: 'labels';
      iteration: number;
      learner: string;
      /** Seats that voted. */
      voters: number;
      labels: { problem: number; answer: string | null; votes: number; accepted: boolean }[];
    };

/** What a recipe's loop is played with. */
export interface RunContext<C extends RunConfig = RunConfig> {
  config: C;
  runtime: Runtime;
  /** Adapters that are not made and learn nothing, with the reason: another runtime plays their agents. Absent: none. */
  frozen?: ReadonlyMap<string, string>;
  /** Prompts and reading of answers; its problems come through `problems`. */
  task: Task;
  /** The true answers of problems that were drawn, by id. Present for recipes that say `usesGold`. */
  gold?: ReadonlyMap<number, string>;
  /** A person who compares answers. Present for recipes that say `asksHuman`. */
  human?: HumanJudge;
  /** Draws problems and yields their event. What it returns has no gold. @param drawn 0 = the same problems in every iteration */
  problems(split: Split, count: number, iteration: number, drawn: number): AsyncGenerator<Draft, Ungraded[], void>;
}

/** Another base model on the engine, larger than the run's as a rule, and the adapters that belong to it. */
export interface SecondModel {
  /** Setting that names it. */
  key: string;
  /** As `config.model`. */
  model: string;
  /** Names of its adapters. All others belong to the run's model. */
  adapters: readonly string[];
}

export interface Recipe<C extends RunConfig = RunConfig> {
  id: string;
  /** Grows when the same settings give another log; logs name it. */
  revision: number;
  title: string;
  description: string;
  /** Where it is from. */
  paper: string;
  /** Its loop looks at true answers, with all settings or with these. Absent: it never sees one. */
  usesGold?: true | ((config: C) => boolean);
  /** A person is asked with these settings. */
  asksHuman?(config: C): boolean;
  /** It makes sense of problems without true answers. Absent: it is evaluated by them, and refuses a task that has none. */
  ungraded?: true;
  /** Its own settings, beside the shared ones. */
  settings: SettingTable;
  presets: Readonly<Record<string, Preset<C>>>;
  /** What is asked of agents, by id, beside responses: another runtime that cannot give it may not play them. */
  needs?(config: C): Readonly<Record<string, readonly (keyof RuntimeCapabilities)[]>>;
  /** A second base model with these settings; null or absent = none. */
  secondModel?(config: C): SecondModel | null;
  /** Settings that do not go together. @throws ConfigurationError */
  check?(config: C): void;
  cast(config: C): Cast;
  stages(config: C): Stage[];
  cost(config: C): Need;
  /** Preferences compare an adapter with itself as its job begins. Absent or false: with the base. */
  ownReference?(config: C): boolean;
  /** What its agents learn from, in the order in which it is drawn. Absent: the kinds that data sets and fates name. */
  examples?: readonly ExampleKind[];
  /** One fate a turn, in their order. @param equal do two answers mean the same? For logs that do not say which turns a vote joined. */
  fate?(episode: Episode, config: C, equal: Equal): Fate[];
  run(context: RunContext<C>): AsyncGenerator<Draft, void, void>;
}
