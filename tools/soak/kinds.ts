/** The kinds of soak, each under the name of its option. */
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

type Soak = (options: SoakOptions, rng: Rng) => Promise<SoakOutcome>;

export interface Kind {
  /** What its number counts. */
  counts: string;
  load: () => Promise<Soak>;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  downloads: {
    counts: 'downloads with faults of the server, bodies longer than their files among them',
    load: async () => (await import('./downloads')).soakDownloads,
  },
  'device-losses': {
    counts: 'losses of the GPU at random calls of generation and training',
    load: async () => (await import('./deviceLosses')).soakDeviceLosses,
  },
  steps: {
    counts: 'training steps of one adapter, one short sequence a step',
    load: async () => (await import('./steps')).soakSteps,
  },
  resumes: {
    counts: 'runs of all recipes on the reference engine, ended after a random event and resumed',
    load: async () => (await import('./resumes')).soakResumes,
  },
  kills: {
    counts: 'kills of a real Chromium at random moments of a run',
    load: async () => (await import('./kills')).soakKills,
  },
  workers: {
    counts: 'endings of each worker of the page at random moments (engine, lab, tokenizer, grading, models)',
    load: async () => (await import('./workers')).soakWorkers,
  },
  grading: {
    counts: 'responses that repeat LaTeX, brackets or spaces, graded by every task',
    load: async () => (await import('./grading')).soakGrading,
  },
  openings: {
    counts: 'openings in a real Chromium of a run whose answers are hard to read, tasks of the main thread timed',
    load: async () => (await import('./openings')).soakOpenings,
  },
  tokenizers: {
    counts: 'mutated tokenizers and templates, bombs among them',
    load: async () => (await import('./mutants')).soakMutants,
  },
};
