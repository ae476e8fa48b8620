/** Bytes that the run as set would take on a device, asked of the lab a moment after the last change. */
import type { RunMemory } from '../lab/types';
import type { RunConfig } from '../recipes/config';

/** Milliseconds without a change before the lab is asked. */
const PAUSE = 250;

export class RunPlan {
  bytes = $state.raw<RunMemory | null>(null);
  /** Why there is none, for people. */
  problem = $state.raw<string | null>(null);

  /** Model and format that the bytes are about. */
  #about: string | null = null;

  /** @param config what is set now; null = nothing that could run */
  constructor(config: () => RunConfig | null, ask: (config: RunConfig) => Promise<RunMemory>) {
    $effect(() => {
      const wanted = config();
      const about = wanted && `${wanted.model} ${wanted.dtype}`;
      // Bytes of another model would mislead; those of other settings stand until the new ones come.
      if (about !== this.#about) this.bytes = this.problem = null;
      this.#about = about;
      let outdated = false;
      const timer = setTimeout(() => {
        if (!wanted) return void (this.bytes = this.problem = null);
        ask(wanted).then(
          (bytes) => {
            if (outdated) return;
            this.bytes = bytes;
            this.problem = null;
          },
          (error: unknown) => {
            if (outdated) return;
            this.bytes = null;
            this.problem = error instanceof Error ? error.message : String(error);
          },
        );
      }, PAUSE);
      return () => {
        outdated = true;
        clearTimeout(timer);
      };
    });
  }
}
