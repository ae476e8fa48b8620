/** Which runs the charts of a view show: their files say so. */
import { getContext, setContext } from 'svelte';
import type { RunEvent } from '../../events';

export interface ShownRun {
  /** As its list has it; '' where it has no name. */
  name: string;
  events: readonly RunEvent[];
}

type Shown = () => readonly ShownRun[];

const KEY = Symbol('shown runs');

/** For a view, while it is made. */
export function setShownRuns(runs: Shown): void {
  setContext(KEY, runs);
}

/** For a chart, while it is made. */
export function getShownRuns(): Shown {
  return getContext<Shown | undefined>(KEY) ?? (() => []);
}

/** The fragment that repeats a run, with what came out, by its log; null for a log that nobody knows. */
export type RunLinks = (events: readonly RunEvent[]) => Promise<string | null>;

const LINKS = Symbol('links of runs');

/** For all that is below, while it is made. */
export function setRunLinks(links: RunLinks): void {
  setContext(LINKS, links);
}

/**
 * For a chart or a view, while it is made. What it gives is made where the stored log is, so that a long one does not hold the page. Where
 * there is no such place, or it fails, the link is made from the log at hand: whole in a page of one run, else without what came out.
 */
export function getRunLinks(): RunLinks {
  const known = getContext<RunLinks | undefined>(LINKS);
  return async (events) => {
    const link = (await known?.(events).catch(() => null)) ?? null;
    if (link !== null) return link;
    const { linkOfRun } = await import('../../share/runLink');
    return linkOfRun(events, { receipt: known === undefined });
  };
}

/** A title with the runs' names before it, for files. */
export function titleOfRuns(title: string, runs: readonly ShownRun[]): string {
  return [...runs.map(({ name }) => name).filter((name) => name !== ''), title].join(' ');
}
