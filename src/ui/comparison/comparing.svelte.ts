/** Plays a comparison run by run, as long as somebody wants it to: each begins when nothing is at work. */
import type { LabClient } from '../labClient.svelte';
import { keepPlan, keptPlan, nextRun, plannedRuns, type ComparisonPlan, type PlannedRun } from './plan';

type Player = Pick<LabClient, 'busy' | 'listed' | 'runs' | 'error' | 'start' | 'resume'>;

export class Comparing {
  plan = $state.raw<ComparisonPlan | null>(null);
  /** Runs follow each other; false: the comparison is held, and the visitor may let it go on. */
  going = $state(false);
  readonly #lab: Player;
  /** A start or resumption is on its way. */
  #asking = false;
  /** Rows and seeds that were set to work since the visitor asked for it: what ended early is not set to work again. */
  #tried: string[] = [];

  constructor(lab: Player) {
    this.#lab = lab;
    this.plan = keptPlan();
  }

  /** Its runs with the stored ones; none without a plan. */
  get planned(): PlannedRun[] {
    return this.plan === null ? [] : plannedRuns(this.plan, this.#lab.runs);
  }

  /** Interrupted, and nobody has said that it should stay so. */
  get waits(): boolean {
    return !this.going && this.plan !== null && nextRun(this.planned) !== null;
  }

  begin(plan: ComparisonPlan): void {
    this.plan = plan;
    keepPlan(plan);
    this.goOn();
  }

  goOn(): void {
    this.#tried = [];
    this.going = true;
    void this.advance();
  }

  /** The run at work goes on; none follows it. */
  hold(): void {
    this.going = false;
  }

  /** Forgets the plan; its runs stay. */
  close(): void {
    this.going = false;
    this.plan = null;
    keepPlan(null);
  }

  /** Sets the next run to work, when nothing is. Called whenever the lab has changed. */
  async advance(): Promise<void> {
    const lab = this.#lab;
    // All of it is read first: whoever calls this when something has changed has to hear of every change.
    const { going, plan, planned } = this;
    const { busy, listed } = lab;
    if (!going || this.#asking || busy || !listed || plan === null) return;
    const next = nextRun(planned);
    if (next === null) {
      this.going = false;
      return;
    }
    const { record, config } = next;
    const key = `${next.row.name} ${next.seed}`;
    if (this.#tried.includes(key)) {
      // Its end was asked for, or something went wrong: the visitor sees which. Anything else is on its way.
      if (record?.status === 'stopped' || record?.status === 'failed') this.going = false;
      return;
    }
    this.#tried.push(key);
    this.#asking = true;
    const { engine } = plan;
    if (record === null) await lab.start(config, engine, 'none');
    else await lab.resume(record.id, engine);
    this.#asking = false;
    if (lab.error !== null) this.going = false;
    // It may have ended before the call came back.
    else await this.advance();
  }
}
