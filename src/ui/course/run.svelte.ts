/** The run beside a page of the course: the visitor's own where one is on show, else a recorded one of the same experiment. */
import { recordedId } from '../../share/recordedNames';
import type { RunConfig } from '../../recipes/config';
import type { LabClient } from '../labClient.svelte';
import type { RunView } from '../runView.svelte';

export interface Wanted {
  /** Is a run with these settings of this page? */
  belongs: (config: RunConfig) => boolean;
  /** Variant of the recorded run that is shown otherwise; null = none. */
  recording: string | null;
}

export class CourseRun {
  readonly #lab: LabClient;
  readonly #wanted: () => Wanted;
  #recorded = $state.raw<{ variant: string; view: RunView } | null>(null);

  /** Made in a component: what it loads follows the page on show. */
  constructor(lab: LabClient, wanted: () => Wanted) {
    this.#lab = lab;
    this.#wanted = wanted;
    // Without the list there are no recorded runs, and the page works all the same.
    lab.recorded.list().catch(() => {});
    $effect(() => this.#load());
  }

  get #entry() {
    const { recording } = this.#wanted();
    return recording === null
      ? null
      : (this.#lab.recorded.entries.find(({ variant }) => variant === recording) ?? null);
  }

  get view(): RunView | null {
    const one = this.#lab.shown;
    if (one && this.#wanted().belongs(one.record.config)) return one;
    const recorded = this.#recorded;
    return recorded && recorded.variant === this.#wanted().recording ? recorded.view : null;
  }

  /** A recorded run is on its way. */
  get loading(): boolean {
    return this.view === null && this.#entry !== null;
  }

  get working(): boolean {
    return this.view !== null && this.#lab.atWork(this.view.record.id);
  }

  get finished(): boolean {
    return this.view?.record.status === 'finished' && !this.working;
  }

  #load(): void {
    const entry = this.#entry;
    const variant = entry?.variant;
    if (!entry || variant === undefined || this.#recorded?.variant === variant) return;
    this.#lab.recorded.view(recordedId(entry)).then(
      (view) => {
        if (this.#wanted().recording === variant) this.#recorded = { variant, view };
      },
      // The experiment can be run instead.
      () => {},
    );
  }
}
