/**
 * Comparisons of answers for views. What a model wrote is never read as a formula on the page's thread: what is not plain from the texts
 * is asked of a worker, counts as different until its answer comes, and views are told when it has come.
 */
import { createSubscriber } from 'svelte/reactivity';
import { quickEqual } from '../../tasks/quick';
import type { Task } from '../../tasks/types';

export type Pair = [a: string, b: string];
/** Compares pairs of answers of a task, in their order. Rejects when it takes too long or its worker fails. */
export type GradePairs = (task: string, pairs: Pair[]) => Promise<boolean[]>;

/** Pairs of one call; one that fails is asked again in halves, so that a bad pair costs the others nothing. */
const BATCH = 256;
/** Milliseconds between two tellings of the views. */
const BETWEEN_NEWS = 2000;
/** Comparisons that are kept; beyond that the oldest are asked again when a view needs them. */
const MOST_KNOWN = 200_000;

export class Gradings {
  /** Grows when answers arrive. */
  version = 0;
  private grade: GradePairs | null = null;
  private readonly known = new Map<string, boolean>();
  private readonly asked = new Map<string, { task: string; pair: Pair }>();
  private readonly listeners = new Set<() => void>();
  private working = false;

  /** Whom to ask; what was asked before is asked now. */
  use(grade: GradePairs): void {
    this.grade = grade;
    this.work();
  }

  /** The effect or derived value that reads it is run again when answers arrive. */
  readonly watch = createSubscriber((update) => this.onArrival(update));

  /** @returns what ends the listening */
  onArrival(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Do two answers mean the same? null = not known yet; it is being asked. */
  equal(task: Pick<Task, 'name' | 'exact'>, a: string, b: string): boolean | null {
    const quick = quickEqual(task, a, b);
    if (quick !== null) return quick;
    // Equality holds both ways.
    const pair: Pair = a < b ? [a, b] : [b, a];
    const key = JSON.stringify([task.name, ...pair]);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    this.asked.set(key, { task: task.name, pair });
    this.work();
    return null;
  }

  private work(): void {
    if (this.working || !this.grade || this.asked.size === 0) return;
    this.working = true;
    // What a view asks in one go is asked together.
    setTimeout(() => void this.askAll(), 0);
  }

  private async askAll(): Promise<void> {
    let told = performance.now();
    while (this.asked.size > 0) {
      const [first] = this.asked.values();
      const batch = [...this.asked].filter(([, { task }]) => task === first?.task).slice(0, BATCH);
      await this.ask(first?.task ?? '', batch);
      // A log is read anew for what arrived: now and then, and at the end.
      if (this.asked.size > 0 && performance.now() - told < BETWEEN_NEWS) continue;
      told = performance.now();
      this.version++;
      for (const listener of [...this.listeners]) listener();
    }
    this.working = false;
    this.work();
  }

  private async ask(task: string, batch: [string, { pair: Pair }][], tried = 0): Promise<void> {
    let answers: boolean[];
    try {
      answers = await (this.grade as GradePairs)(
        task,
        batch.map(([, { pair }]) => pair),
      );
    } catch {
      if (batch.length > 1) {
        const half = batch.length >> 1;
        await this.ask(task, batch.slice(0, half));
        await this.ask(task, batch.slice(half));
        return;
      }
      // The worker may have been ended for another reason. A pair that twice cannot be compared within the limit differs.
      if (tried === 0) return this.ask(task, batch, 1);
      answers = [false];
    }
    batch.forEach(([key], i) => {
      this.asked.delete(key);
      if (this.known.size >= MOST_KNOWN) this.known.delete(this.known.keys().next().value as string);
      this.known.set(key, answers[i] ?? false);
    });
  }
}

export const gradings = new Gradings();
