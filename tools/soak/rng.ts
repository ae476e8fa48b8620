/** Seeded draws of a soak: one stream a kind, so that one kind's draws do not depend on another's. */
import { drawInt } from '../../src/random';

export interface Rng {
  /** A whole number in [0, below). */
  int(below: number): number;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
}

export function createRng(seed: number, kind: string): Rng {
  const stream = 60_000 + [...kind].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1000, 0);
  let drawn = 0;
  const int = (below: number) => drawInt({ seed, stream }, drawn++, below);
  return { int, pick: (items) => items[int(items.length)] as (typeof items)[number] };
}
