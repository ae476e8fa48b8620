/**
 * The contract of a run store: append-only logs of events, with the adapters that the runs produced.
 *
 * Two implementations live beside this file: `IndexedRunStore` (the browser) and `MemoryRunStore` (the command line,
 * tests). The log is the run; everything else here can be made again from it or is a snapshot taken at one of its events.
 */
import type { AdapterWeights } from '../engine/types';
import type { EvaluationDone, RunEvent } from '../events';
import type { Receipt } from '../log/receipt';
import type { RunConfig } from '../recipes/config';
import type { AdapterName, KeepAdapters } from './keep';

/** `running` with nobody at work on it means: interrupted (the tab was closed or crashed). */
export type RunStatus = 'running' | 'paused' | 'stopped' | 'finished' | 'failed';

/** What a run repeats, so that it can be compared when it is finished. */
export interface Repeated {
  /** Id of the run in this store; null for an experiment that came by link. */
  run: string | null;
  /** For people. */
  name: string;
  /** sha-256 of the weights that it was made with, hex; null where it is not known. */
  modelHash: string | null;
  /** What it claims. */
  receipt: Receipt;
}

/** The last check of a run that this browser made. */
export interface RunChecked {
  mode: 'replay' | 'spot-check';
  /** Everything that was looked at is as the run claims. */
  holds: boolean;
  /** Milliseconds since 1970. */
  at: number;
}

/** What a list of runs shows, kept beside the log. */
export interface RunRecord {
  /** Version of this record's format. */
  schema: 1;
  id: string;
  name: string;
  /** Milliseconds since 1970, as are all times here. Times are never part of the log. */
  created: number;
  updated: number;
  config: RunConfig;
  status: RunStatus;
  /** Why it failed, in words. */
  error: string | null;
  /** Share of the work done, 0..1. */
  progress: number;
  /** Events stored. */
  events: number;
  /** Digest chain after the stored events, hex. */
  digest: string;
  /** Engine of the log so far, for people. */
  engine: string;
  /** Which adapters are kept; absent = all. No part of the log. */
  keepAdapters?: KeepAdapters;
  /** It came from a file: what it claims was computed elsewhere. */
  imported?: true;
  repeats?: Repeated;
  checked?: RunChecked;
}

/** An adapter as it was after the training job (or merge) that its event names. */
export interface StoredAdapter extends AdapterName {
  weights: AdapterWeights;
}

/** A place in the log from which a run can go on: the end of an iteration. */
export interface Checkpoint {
  iteration: number;
  /** Length of the log at this place. */
  events: number;
  /** Digest chain after those events, hex. */
  digest: string;
  /** Adapters stored for this iteration. */
  adapters: string[];
}

/** Events to append with what belongs to them; stored together or not at all. */
export interface LogBatch {
  /** Index of the first event: the length of the stored log. */
  from: number;
  events: RunEvent[];
  /** Digest chain after the last event, hex. */
  digest: string;
  progress: number;
  adapters?: StoredAdapter[];
  checkpoint?: Checkpoint;
}

/** All that is stored of a run, to be written at once. */
export interface WholeRun {
  /** Its `events` and `digest` are those of `events`. */
  record: RunRecord;
  events: readonly RunEvent[];
  adapters: readonly StoredAdapter[];
  checkpoints: readonly Checkpoint[];
  /** The file of problems that it reads. */
  problems?: StoredProblems | undefined;
}

/** A stored run as it was found. */
export interface RunCondition {
  /** Bytes of its log as JSON texts. */
  logBytes: number;
  /** Bytes of numbers, in order of iteration, job and name. */
  adapters: (AdapterName & { bytes: number })[];
  /** What is wrong with its log, in words; null = it can be read as a whole. */
  damage: string | null;
}

/** A file of problems as the visitor gave it; runs name it by its hash (`config.data`). */
export interface StoredProblems {
  /** Of `bytes`, hex. */
  sha256: string;
  /** Base name under which it was given last. */
  name: string;
  created: number;
  bytes: Uint8Array;
}

/** What a list of problem files shows. */
export interface ProblemsEntry {
  sha256: string;
  name: string;
  created: number;
  /** Length of the file. */
  size: number;
  /** Ids of the runs that read it. */
  runs: string[];
}

/** The parts of a run record that change without an event. */
export type RunPatch = Partial<Pick<RunRecord, 'name' | 'status' | 'error' | 'progress' | 'engine' | 'checked'>>;

/**
 * All methods reject with the errors of ./errors: `RunNotFoundError` for an unknown id, `StorageFullError` when there
 * is no room, `StoreUnavailableError` when the database is gone.
 */
export interface RunStore {
  create(run: RunRecord): Promise<void>;
  /** Appends atomically; rejects with `LogConflictError` when `from` is not the end of the log. */
  append(runId: string, batch: LogBatch): Promise<RunRecord>;
  /** Writes a run that the store has lost, over whatever is left of it. */
  rewrite(run: WholeRun): Promise<RunRecord>;
  update(runId: string, patch: RunPatch): Promise<RunRecord>;
  run(runId: string): Promise<RunRecord>;
  /** All runs, newest first. */
  runs(): Promise<RunRecord[]>;
  /** All events, those of older formats lifted. Rejects with `StoredRunError` where the log is damaged. */
  events(runId: string): Promise<RunEvent[]>;
  /** Events with index in [from, to) as one JSON text each, as they were written: cheap to pass on to another thread. */
  lines(runId: string, from?: number, to?: number): Promise<string[]>;
  /** Rejects with `StoredRunError` when there is none of that name. */
  adapter(runId: string, adapter: AdapterName): Promise<AdapterWeights>;
  /** Names of what is stored, in order of iteration, job and name. */
  adapters(runId: string): Promise<AdapterName[]>;
  /** Deletes adapters; nothing happens to those that are not there. Digest, log and checkpoints stay. */
  deleteAdapters(runId: string, adapters: readonly AdapterName[]): Promise<void>;
  /** What a run takes, measured by reading all of it, and what is wrong with its log. */
  condition(runId: string): Promise<RunCondition>;
  /** The evaluation events of a run, without reading its whole log. */
  evaluations(runId: string): Promise<EvaluationDone[]>;
  /** In order of iteration. */
  checkpoints(runId: string): Promise<Checkpoint[]>;
  /** Keeps a file of problems; the same bytes given again only change the name. */
  putProblems(file: StoredProblems): Promise<void>;
  /** Rejects with `ProblemsMissingError` when there is no file of this hash. */
  problems(sha256: string): Promise<StoredProblems>;
  /** All files of problems, newest first. */
  problemFiles(): Promise<ProblemsEntry[]>;
  /** Deletes a file of problems; runs that read it can be looked at but not resumed. Nothing happens when there is none. */
  deleteProblems(sha256: string): Promise<void>;
  /** Deletes a run with all that belongs to it, its file of problems too when no other run reads that. */
  delete(runId: string): Promise<void>;
  close(): void;
}
