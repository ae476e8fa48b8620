/** Where terms are explained once: the first text of a view that mentions a term marks it, later ones do not. */
import { getContext, setContext } from 'svelte';

const KEY = Symbol('terms explained');

/** Entry of the glossary → id of the text that explains it. */
type Explained = Map<string, string>;

/** Begins a scope for the texts within this component. */
export function beginTermScope(): void {
  setContext<Explained>(KEY, new Map());
}

/** What one text may mark: everything where there is no scope, else what no other text of the scope marks. */
export function termClaims(id: string): { claim(entry: string): boolean; release(): void } {
  const explained = getContext<Explained | undefined>(KEY);
  return {
    claim(entry) {
      if (!explained) return true;
      const holder = explained.get(entry) ?? id;
      explained.set(entry, holder);
      return holder === id;
    },
    release() {
      for (const [entry, holder] of explained ?? []) if (holder === id) explained?.delete(entry);
    },
  };
}
