/**
 * The contract between the page and its workers. The page sends commands (`LabApi`, over Comlink) and draws what comes
 * back on a message port (`LabMessage`): batches of log events, which are the run, and status and partial text, which
 * are passing and never stored.
 */
import type { EpisodeKey, RunEvent } from '../events';
import type { ModelFolder } from '../models/folder';
import type { RunConfig } from '../recipes/config';
import type { Shown } from '../recipes/human';
import type { RunCheck } from '../share/claims';
import type { ExportKind } from '../share/exports/kinds';
import type { RunVerdict } from '../share/verdict';
import type { KeepAdapters } from '../store/keep';
import type { ProblemsEntry, Repeated, RunChecked, RunCondition, RunRecord } from '../store/types';
import type { EngineNotice } from '../engine/resilient';
import type { AdapterWeights, EngineInfo, EngineReport, MemoryPlan, WeightDtype } from '../engine/types';
import type { Problem, Split } from '../tasks/types';
import type { LoadProgress } from './host/engineHost';
import type { EngineEnd } from './host/engineLink';
import type { Perplexity } from './setup/perplexity';

/** What the lab is doing as a whole. */
export type LabState =
  /** Nothing runs. */
  | 'idle'
  /** Model, tokenizer and device are being made ready. */
  | 'loading'
  /** Stored events are read and compared; nothing is computed anew. */
  | 'replaying'
  | 'running'
  /** Pause was asked for; the operation on the device is being finished. */
  | 'pausing'
  | 'paused'
  | 'stopping';

/** Id of a stage of the run's recipe (`Recipe.stages`). An evaluation goes through the stages of asking and voting as well. */
export type StageId = string;

/** After what a run holds when it is stepped: all agents' answers of a round (or a finetuning), or an iteration. */
export type StepUnit = 'round' | 'iteration';

/** Who does what now. */
export type Activity =
  | {
      kind: 'preparing';
      what: string;
      /** Of the model's files, while they are read. */
      bytes?: LoadProgress;
    }
  | {
      kind: 'debate';
      purpose: Split;
      /** Key of the learner that plays. */
      learner: string;
      iteration: number;
      /** 1.. */
      round: number;
      /** Problems of this debate phase that are finished, and all of them. */
      problemsDone: number;
      problems: number;
    }
  | { kind: 'finetune'; iteration: number; step: number; totalSteps: number; adapters: string[] };

/** Two answers of which a person is to pick the better one. */
export interface AskedPair {
  /** Episode that the pick belongs to. */
  at: EpisodeKey;
  question: string;
  /** A, and B. */
  shown: [a: string, b: string];
}

export interface LabStatus {
  state: LabState;
  runId: string | null;
  activity: Activity | null;
  /** Share of the run's work, 0..1. */
  progress: number;
  /** Seconds left at the present speed; null while not known. */
  secondsLeft: number | null;
  /** The same at the fastest and the slowest speed of late; null or absent while too little is done. */
  secondsRange?: [number, number] | null;
  engine: EngineSummary | null;
  /** Stage that is at work, or was when the run was held; null or absent while nothing is computed. */
  phase?: StageId | null;
  /** The run waits for a person's pick. Absent or null: it does not. */
  asking?: AskedPair | null;
}

/** The engine in use, for people. */
export interface EngineSummary {
  kind: EngineInfo['kind'];
  device: string;
  /** Why the exact engine is used and not WebGPU; null where WebGPU has a GPU, or an engine was asked for. */
  fallbackReason: string | null;
  /** There is a GPU: a short trial of the small model gave the reason. */
  measured?: boolean;
  /** WebGPU is played by the processor: a software driver stands in for a GPU. */
  software: boolean;
  /** Of products with packed weights, and with it the format of keys and values; absent = f32. */
  arithmetic?: 'f32' | 'f16';
}

/** Text being sampled for the problem on show: texts[n] is seat n's so far. */
export interface PartialDebate {
  purpose: Split;
  /** Key of the learner that plays. */
  learner: string;
  iteration: number;
  problem: number;
  /** 1.. */
  round: number;
  /** Id of an agent who speaks in the round. */
  agent?: string;
  texts: string[];
  /** Of the rounds before, in full: earlier[m][n]. */
  earlier?: string[][];
}

export type LabMessage =
  | { type: 'status'; status: LabStatus }
  /** Events `from`, `from + 1`, … of the run's log. */
  | { type: 'events'; runId: string; from: number; events: RunEvent[] }
  | { type: 'partial'; runId: string; partial: PartialDebate }
  /** A run record changed (status, progress, digest). */
  | { type: 'run'; run: RunRecord }
  | { type: 'deleted'; runId: string }
  /** What another tab of this browser is at work on, whose stored log can be watched; null = no other tab works. */
  | { type: 'elsewhere'; status: LabStatus | null }
  /** Something happened to the device or the store that the run survived: one or two sentences for people. */
  | { type: 'notice'; runId: string | null; notice: EngineNotice | { kind: 'rewritten'; message: string } }
  /** Something went wrong: one sentence for people. */
  | { type: 'error'; runId: string | null; name: string; message: string };

/** How fast this device is with a model. */
/** Memory of the device that a run takes: the engine's, and that of runtimes that compute on it beside the engine. */
export interface RunMemory extends MemoryPlan {
  /** Absent = nobody else computes there. */
  others?: OtherMemory[];
}

export interface OtherMemory {
  /** As the setting `seats` names the runtime. */
  name: string;
  /** Bytes of its weights; null while nobody knows. Keys, values and activations come on top. */
  bytes: number | null;
}

export interface DeviceSpeed {
  kind: EngineInfo['kind'];
  secondsPerGeneratedToken: number;
  secondsPerTrainedToken: number;
  /** What the engine takes on the device for the settings it was measured with. */
  bytes: MemoryPlan;
  /** Adapters of those settings, and their rank: the adapters' part of the bytes goes with both. */
  adapters: number;
  rank: number;
}

/** A model to be looked at on this device. */
export interface ModelCheckRequest {
  /** As `config.model`. */
  model: string;
  /** As `config.ignoreConfig`. */
  ignore?: readonly string[];
  dtype: WeightDtype;
  engine: EngineChoice;
  /** Its perplexity is measured as well. */
  text?: string;
}

/** How a model does on this device. */
export interface ModelCheck {
  engine: EngineSummary;
  /** sha-256 of the weight files, hex. */
  hash: string;
  /** Null of engines that keep weights as they are. */
  report: EngineReport | null;
  perplexity: Perplexity | null;
}

export type EngineChoice = 'auto' | 'webgpu' | 'exact' | 'reference';

/** Where a run stands, for lists: its headline method on the held-out problems. */
export interface RunScore {
  /** Of its last evaluation; 0 = before finetuning, the base's. */
  iteration: number;
  right: number;
  n: number;
  /** What it is compared with. */
  base: { right: number; n: number };
}

export interface StoredRuns {
  /** Newest first. */
  runs: RunRecord[];
  /** Ids of those marked running or paused that nobody works on, and that can go on. */
  interrupted: string[];
  /** What is wrong with the logs of unfinished runs that cannot go on, by id. */
  damaged: Record<string, string>;
  /** Id of the run that another tab is at work on. */
  elsewhere: string | null;
  /** By id; runs without an evaluation have none. */
  scores: Record<string, RunScore>;
}

/** What was read from a file of problems. */
export interface ProblemsSummary {
  /** Base name. */
  name: string;
  sha256: string;
  /** Problems read, every question once. */
  problems: number;
  /** Lines left out because they repeat an earlier question. */
  repeated: number;
  /** The first problem. */
  example: Problem | null;
}

/** What is made of a run for other programs. */
export type ExportRequest =
  | { kind: Exclude<ExportKind, 'page'> }
  /** `template`: text of the site's file; `site`: address of the page, before the run's link. */
  | { kind: 'page'; template: string; site: string };

export interface ExportedFile {
  name: string;
  /** Media type. */
  type: string;
  bytes: Uint8Array;
}

/** A run that came from a file. */
export interface ImportedRun {
  run: RunRecord;
  /** What is not as it was, in sentences. */
  notes: string[];
}

export type CheckMode = RunChecked['mode'];

/** What is to be checked of a stored run. */
export interface CheckRequest {
  runId: string;
  mode: CheckMode;
  engine: EngineChoice;
  /** Answers that a spot check does again; a training job more for every ten, at least one. */
  units: number;
  /** Seed of the choice of units. */
  draw: number;
}

/** How far a check is. */
export type CheckProgress = { bytes: LoadProgress } | { done: number; of: number };

export interface CheckReport {
  mode: CheckMode;
  /** Nothing that was looked at is other than claimed. */
  holds: boolean;
  checks: RunCheck[];
}

/** How far a run repeats another one. */
export interface RepeatVerdict {
  /** Both logs, or receipts where the other log is not here. */
  by: 'log' | 'receipt';
  /** Of what it repeats. */
  name: string;
  /** What makes it another experiment, in words; then there is no verdict. */
  different: string | null;
  run: RunVerdict | null;
}

/** Commands to the lab worker. Each rejects with a typed error whose message is for people. */
export interface LabApi {
  /**
   * Connects the lab to its engine worker and to the page's message port. Called once.
   * `base` is the page's address, which models' addresses are relative to.
   */
  connect(engine: MessagePort, messages: MessagePort, base: string): Promise<void>;
  /**
   * The engine worker that the lab had is gone; this one takes its place, or none does until the next call of this. A run at work
   * goes on or ends, as `end` says; everything else that waits for the engine rejects.
   */
  replaceEngine(engine: MessagePort | null, end: EngineEnd): Promise<void>;
  /** Says of a run that nobody works on how it ended: the lab worker that worked on it is gone. */
  abandon(runId: string, status: 'stopped' | 'failed', reason: string | null): Promise<void>;
  /** What the engine would run on, without loading it. */
  probe(): Promise<EngineSummary>;
  /** This device's speed with the configuration's model: a few seconds once a session. Rejects when a run is started meanwhile. */
  measure(config: RunConfig, engine: EngineChoice): Promise<DeviceSpeed>;
  /** Starts a run and resolves with its record as soon as it is stored; the work goes on. `keep`: which adapters stay, default all. `repeats`: what it is compared with. */
  start(config: RunConfig, engine: EngineChoice, keep?: KeepAdapters, repeats?: Repeated): Promise<RunRecord>;
  /** Starts a run that repeats a finished one, on the engine that its log names where nothing else is chosen. */
  runAgain(runId: string, engine: EngineChoice): Promise<RunRecord>;
  /** Goes on with an interrupted, stopped, paused or failed run. */
  resume(runId: string, engine: EngineChoice): Promise<RunRecord>;
  /** Holds before the next operation on the device. */
  pause(): Promise<void>;
  /** Goes on, also when paused, until the next unit is done, and holds there. */
  step(unit: StepUnit): Promise<void>;
  /** How long each part of the loop stays on show, for this run and later ones; 0 = full speed. Never changes a log. */
  setPace(milliseconds: number): Promise<void>;
  /** Ends after aborting the operation in progress; the run can be resumed. */
  /** A person's pick of the pair on show; one of another pair counts for nothing. */
  pick(at: EpisodeKey, shown: Shown): Promise<void>;
  stop(): Promise<void>;
  /** All stored runs. */
  runs(): Promise<StoredRuns>;
  run(runId: string): Promise<RunRecord>;
  /** Stored events with index in [from, to), one JSON text each. Long logs are asked for in slices: each is a task of the page. */
  lines(runId: string, from: number, to: number): Promise<string[]>;
  /** Resolves with the record under its new name; surrounding spaces are removed, an empty name is refused. */
  rename(runId: string, name: string): Promise<RunRecord>;
  /** Stores what is not stored yet of the run at work: the page may be about to be closed or frozen. */
  flush(): Promise<void>;
  delete(runId: string): Promise<void>;
  /** An adapter as it was after an iteration. Rejects with a reason for people where it was not kept. */
  adapter(runId: string, iteration: number, name: string): Promise<AdapterWeights>;
  /** What a run takes in the store, measured, and whether its log is damaged. */
  condition(runId: string): Promise<RunCondition>;
  /** Deletes the adapters that the choice does not keep, for good; an unfinished run keeps what it needs to go on. */
  thin(runId: string, keep: KeepAdapters): Promise<RunCondition>;
  /**
   * Reads a file of problems with a task and keeps it for runs. `expected` (a run's `config.data`) refuses any other file.
   * Rejects with the first bad line and what is wrong with it.
   */
  keepProblems(
    task: string,
    name: string,
    bytes: Uint8Array,
    expected?: { name: string; sha256: string },
  ): Promise<ProblemsSummary>;
  /** Reads a kept file again, perhaps with another task. */
  readProblems(task: string, sha256: string): Promise<ProblemsSummary>;
  /** The kept files of problems, newest first. */
  problemFiles(): Promise<ProblemsEntry[]>;
  deleteProblems(sha256: string): Promise<void>;
  /**
   * Bytes that a run of the configuration takes on a device, by the model's config.json; no weights are read. Rejects when the
   * model is not there or cannot play the task.
   */
  plan(config: RunConfig): Promise<RunMemory>;
  /**
   * Loads a model and says how it does on this device. Rejects while a run is at work.
   * @param port hears of the loading (`LoadProgress`)
   */
  checkModel(request: ModelCheckRequest, port: MessagePort): Promise<ModelCheck>;
  /** Makes a folder that the visitor chose usable in this visit; resolves with what `config.model` calls it. */
  addFolder(folder: ModelFolder): Promise<string>;
  /**
   * A server may be asked, until the page is closed. Without it no endpoint is.
   * @param key sent to it; kept in memory only; null = none
   */
  allowEndpoint(origin: string, key: string | null): Promise<void>;
  /** The run as a zip: run.json, log.jsonl, results.json and its adapters as PEFT directories. */
  bundle(runId: string): Promise<Uint8Array>;
  /** The run for other programs, as one file. Rejects with `ExportError` where it has nothing of the kind. */
  exported(runId: string, request: ExportRequest): Promise<ExportedFile>;
  /**
   * Stores a run from a file: a bundle, or a log alone. Rejects with `FileError`; nothing is stored then.
   * @param file its name
   */
  importRun(file: string, bytes: Uint8Array): Promise<ImportedRun>;
  /**
   * Checks a finished run; its record then says how it came out. Rejects while a run is at work, and where model or adapters are missing.
   * @param port hears of the progress (`CheckProgress`)
   */
  checkRun(request: CheckRequest, port: MessagePort): Promise<CheckReport>;
  /** How far a finished run repeats what it was started to repeat. */
  verdict(runId: string): Promise<RepeatVerdict>;
  /** The fragment of the run's link, `#` included; with what came out where it is finished. Rejects with `LinkTooLongError`. */
  link(runId: string): Promise<string>;
}
