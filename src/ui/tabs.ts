/** The parts of the page. Only the lab is there at once; the others are loaded when they are first looked at. */
import type { Component } from 'svelte';
import type { RunEvent } from '../events';

export type TabKey = 'lab' | 'results' | 'debates' | 'votes' | 'datasets' | 'models' | 'runs';

export const TABS: readonly { key: TabKey; label: string }[] = [
  { key: 'lab', label: 'Lab' },
  { key: 'results', label: 'Results' },
  { key: 'debates', label: 'Debates' },
  { key: 'votes', label: 'Votes' },
  { key: 'datasets', label: 'Data sets' },
  { key: 'models', label: 'Models' },
  { key: 'runs', label: 'Runs' },
];

/** Views of one log. */
export type LogView = Component<{ events: readonly RunEvent[]; runName?: string }>;

export const LOG_VIEWS: Readonly<
  Record<Exclude<TabKey, 'lab' | 'models' | 'runs'>, () => Promise<{ default: LogView }>>
> = {
  results: () => import('./views/Results.svelte'),
  debates: () => import('./views/Debates.svelte'),
  votes: () => import('./views/VoteFlow.svelte'),
  datasets: () => import('./views/Datasets.svelte'),
};
