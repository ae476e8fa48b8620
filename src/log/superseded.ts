/** Events that no longer count: those of a training job that began again on a runtime which cannot repeat itself. */
import type { RunEvent } from '../events';

/** Indices of the events that a later `job-superseded` event takes back: steps of the job, and adapters that came out of it. */
export function supersededIn(events: readonly RunEvent[]): Set<number> {
  const superseded = new Set<number>();
  /** By job: events since it was superseded last. */
  const counting = new Map<string, number[]>();
  events.forEach((event, index) => {
    if (event.type === 'job-superseded') {
      for (const at of counting.get(event.job) ?? []) superseded.add(at);
      counting.delete(event.job);
      return;
    }
    const job = jobOfEvent(event);
    if (job === null) return;
    const known = counting.get(job);
    if (known) known.push(index);
    else counting.set(job, [index]);
  });
  return superseded;
}

/** The events that count, in order. */
export function standing(events: readonly RunEvent[]): RunEvent[] {
  const superseded = supersededIn(events);
  return superseded.size === 0 ? [...events] : events.filter((_, index) => !superseded.has(index));
}

/** The job whose step or adapter an event is, or null. */
export function jobOfEvent(event: RunEvent): string | null {
  if (event.type === 'training-step') return event.job;
  return event.type === 'adapter' && 'job' in event.from ? event.from.job : null;
}
