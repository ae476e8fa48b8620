/** The parts of the page. Only the lab is there at once; the others are loaded when they are first looked at. */
import type { Component } from 'svelte';
import type { RunEvent } from '../events';

export type TabKey = 'lab' | 'course' | 'results' | 'debates' | 'votes' | 'datasets' | 'models' | 'bench' | 'runs';

export const TABS: readonly { key: TabKey; label: string }[] = [
  { key: 'lab', label: 'Lab' },
  { key: 'course', label: 'Course' },
  { key: 'results', label: 'Results' },
  { key: 'debates', label: 'Debates' },
  { key: 'votes', label: 'Votes' },
  { key: 'datasets', label: 'Data sets' },
  { key: 'models', label: 'Models' },
  { key: 'bench', label: 'Bench' },
  { key: 'runs', label: 'Runs' },
];

/** What a part will show, before there is a run. */
export const EMPTY: Readonly<Partial<Record<TabKey, string>>> = {
  results: 'Did finetuning help? Accuracy before and after every iteration, beside what the untouched model does.',
  debates: 'Every debate word for word: what each agent said, whom it read, how it revised, and how the vote went.',
  votes: 'What debating does: how many answers go from wrong to right between two rounds, and how many the other way.',
  datasets: 'What each agent was finetuned on, example by example, and why the rest was left out.',
};

/** Views of one log. */
export type LogView = Component<{
  events: readonly RunEvent[];
  runName?: string;
  /** What of the run is looked at, as the address says it. */
  detail?: string | null;
  /** The visitor looks at something else. */
  ondetail?: (detail: string | null) => void;
}>;

export const LOG_VIEWS: Readonly<
  Record<Exclude<TabKey, 'lab' | 'course' | 'models' | 'bench' | 'runs'>, () => Promise<{ default: LogView }>>
> = {
  results: () => import('./views/Results.svelte'),
  debates: () => import('./views/Debates.svelte'),
  votes: () => import('./views/VoteFlow.svelte'),
  datasets: () => import('./views/Datasets.svelte'),
};
