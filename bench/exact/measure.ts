/** Time and CPU time of work, as the exact engine's bench gives them. */
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

export interface Timing {
  /** Of one piece of work: the best of several, because other work takes cores away. */
  seconds: number;
  /** Of all threads, and of a child process that computes. */
  cpuSeconds: number;
}

/** Ticks of /proc/PID/stat in a second, on every Linux of today. */
const TICKS = 100;

/** Of this process and of its children, in seconds. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + childSeconds();
}

/** Ticks of children by process id, those that have ended too: what they took must not be missing later. */
const children = new Map<string, number>();

/** Linux only; elsewhere the children count as nothing. */
function childSeconds(): number {
  try {
    for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      // "pid (name) state ppid … utime stime": fields 3, 4 and 14, 15; the name may have spaces.
      const fields = statOf(id);
      if (Number(fields[1]) === process.pid) children.set(id, Number(fields[11]) + Number(fields[12]));
    }
  } catch {
    return 0;
  }
  return [...children.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS;
}

function statOf(id: string): string[] {
  try {
    const text = readFileSync(`/proc/${id}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // The process has ended meanwhile.
    return [];
  }
}

/** @param repeat how often it is done; `inner` pieces of work are in one */
export async function measure(work: () => Promise<void> | void, repeat: number, inner = 1): Promise<Timing> {
  let seconds = Infinity;
  let least = Infinity;
  for (let i = 0; i < repeat; i++) {
    const [from, cpu] = [performance.now(), cpuSeconds()];
    await work();
    seconds = Math.min(seconds, (performance.now() - from) / 1e3 / inner);
    least = Math.min(least, (cpuSeconds() - cpu) / inner);
  }
  return { seconds, cpuSeconds: least };
}

/** Work that is measured beside other work. */
export interface Entry {
  work: () => Promise<void>;
  repeat: number;
  /** Pieces of work in one; default 1. */
  inner?: number;
}

/** Everybody once, then everybody again: what disturbs the machine for a while disturbs all of them. Each is done once before. */
export async function measureInTurns(entries: readonly Entry[]): Promise<Timing[]> {
  const best = entries.map((): Timing => ({ seconds: Infinity, cpuSeconds: Infinity }));
  for (const { work } of entries) await work();
  for (let turn = 0; turn < Math.max(...entries.map(({ repeat }) => repeat)); turn++) {
    for (const [i, { work, repeat, inner }] of entries.entries()) {
      if (turn >= repeat) continue;
      const { seconds, cpuSeconds } = await measure(work, 1, inner);
      const before = best[i] as Timing;
      best[i] = { seconds: Math.min(before.seconds, seconds), cpuSeconds: Math.min(before.cpuSeconds, cpuSeconds) };
    }
  }
  return best;
}

/** One line of results. @param numbers rounded to four digits */
export function line(what: string, about: Record<string, unknown>, numbers: Record<string, number>): void {
  const rounded = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, Number(value.toPrecision(4))]),
  );
  console.log(JSON.stringify({ what, ...about, ...rounded, load: Number((loadavg()[0] as number).toFixed(1)) }));
}
