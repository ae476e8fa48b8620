/**
 * The events of log format 1, as the lab wrote them until version 0.1. They are read for ever and never written again;
 * `lift.ts` turns them into events of format 2.
 */
import type { Problem, Split } from '../tasks/types';
import type { RunConfig } from '../recipes/config';

/** How many characters a prompt kept of the texts that it quotes; the rest was cut off so that there is room for a response. */
export interface Shortened {
  /** Of the other agents' texts in order, or of the one summary of them. */
  others: number[];
  /** Of the slot's own previous response. */
  own: number;
}

/** One agent's response as the log keeps it. */
export interface LoggedResponse {
  /** Completion without special tokens. */
  text: string;
  /** Canonical final answer; null = unreadable. */
  answer: string | null;
  finish: 'stop' | 'length';
  /** Sampled tokens, the stop token included. 0 = never sampled: the prompt left no room (text empty, answer null). */
  tokens: number;
  /** Per token, rounded to 3 decimals. */
  logprobs: number[];
  /** Per token top-2 logit margin, rounded to 2 decimals. */
  margins: number[];
  /** Present where the texts that the prompt quotes had to be cut. */
  shortened?: Shortened;
}

/** A summary of the other agents' responses by the base model, as the log keeps it. */
export type LoggedSummary = Omit<LoggedResponse, 'answer'>;

export interface Vote {
  /** The majority's answer; null when no response was readable. */
  answer: string | null;
  /** How many agents gave it. */
  count: number;
  /** Several answers had that count and a seeded draw chose. */
  tied: boolean;
}

/** Whose weights play: `base` = no adapter, `society` = 2N adapters, `single` = one adapter for every slot. */
export type Team = 'base' | 'society' | 'single';

export interface RunStarted {
  type: 'run-started';
  /** Version of the event format. */
  format: 1;
  config: RunConfig;
  model: { name: string; /** sha-256 of the weights file(s), hex */ hash: string };
  /** What computes it, as `describeEngine` says. */
  engine: string;
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

/** A whole debate of one problem: responses[m][n] is agent n's response in round m + 1. */
export interface DebateHeld {
  type: 'debate';
  purpose: Split;
  team: Team;
  iteration: number;
  problem: number;
  responses: LoggedResponse[][];
  /** With `summary: 'base-model'` only: summaries[m][n] is what agent n read in round m + 2. */
  summaries?: LoggedSummary[][];
  /** Vote after each round; the last one is the society's answer (the pseudo-label when training). */
  votes: Vote[];
}

export interface DatasetEntry {
  problem: number;
  /** G: own round-1 response equal to the vote; C-: was wrong, got corrected; C+: was right, stayed right; M: equals a plain majority. */
  kind: 'G' | 'C-' | 'C+' | 'M';
  /** Slot whose response is the completion (0..N-1). */
  agent: number;
  /** Round of that response, 1..M. */
  round: number;
}

/** What one adapter is finetuned on in one iteration. */
export interface DatasetBuilt {
  type: 'dataset';
  iteration: number;
  adapter: string;
  entries: DatasetEntry[];
  /** Candidates before mixing with the share w (critics only). */
  available: { G?: number; 'C-'?: number; 'C+'?: number; M?: number };
  /** Responses not used, by reason. */
  dropped: { reason: string; count: number }[];
}

export interface TrainingStep {
  type: 'training-step';
  iteration: number;
  team: Exclude<Team, 'base'>;
  step: number;
  totalSteps: number;
  tracks: { adapter: string; loss: number; gradNorm: number; lr: number; tokens: number }[];
}

export interface AdapterUpdated {
  type: 'adapter-updated';
  iteration: number;
  adapter: string;
  /** Optimiser steps taken in this iteration. */
  steps: number;
  /** sha-256 over the exported tensors in name order, hex. */
  hash: string;
}

/** Right answers of one way of answering, over the evaluation problems in order. */
export interface MethodScore {
  right: number;
  unreadable: number;
  n: number;
  /** '1' right, '0' wrong, one character a problem: what paired tests need. */
  correct: string;
}

export interface EvaluationDone {
  type: 'evaluation';
  /** 0 = before any finetuning. */
  iteration: number;
  team: Team;
  /** Agent 0's round-1 response. */
  single: MethodScore;
  /** Vote over the N round-1 responses. */
  majority: MethodScore;
  /** Vote over the last round. */
  debate: MethodScore;
  /** Accuracy counts of every slot in every round: perAgent[m][n]. */
  perAgent: { right: number; unreadable: number }[][];
  /** Mean share of agents giving the majority answer, per round. */
  consensus: number[];
  /** Mean number of distinct readable answers among the N, per round. */
  distinctAnswers: number[];
  /** Mean number of distinct response texts among the N in round 1. */
  distinctTexts: number;
}

/** Diagnostic with gold, never fed back: how good were the pseudo-labels of this iteration. */
export interface PseudoLabels {
  type: 'pseudo-labels';
  iteration: number;
  team: Exclude<Team, 'base'>;
  problems: number;
  /** By number of agreeing agents (index = votes): how many problems, how many of those labels were right. */
  byVotes: { votes: number; problems: number; right: number }[];
  /** Problems whose label was accepted (votes ≥ minimum). */
  accepted: number;
  acceptedRight: number;
}

export interface RunFinished {
  type: 'run-finished';
  iterations: number;
}

export type Event1 =
  | RunStarted
  | ProblemsDrawn
  | IterationStarted
  | DebateHeld
  | DatasetBuilt
  | TrainingStep
  | AdapterUpdated
  | PseudoLabels
  | EvaluationDone
  | RunFinished;
