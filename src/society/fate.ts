/** What became of a turn, by a recipe's rule: data sets, stage and viewer all ask the same one. */
export type Fate =
  /** It can be an example of this adapter; `kind` is what the recipe calls it. */
  | {
      to: 'dataset';
      adapter: string;
      kind: string;
      why: string;
      /** Index of the turn under whose prompt it is learnt, where that is not its own. */
      prompt?: number;
    }
  /** It could have been one, and is not. */
  | { to: 'dropped'; adapter: string; why: string }
  /** Nobody learns from such turns. */
  | { to: 'unused'; why: string };

/** Why nobody learns from a turn, whatever it says. */
export const UNUSED = {
  heldOut: 'nobody learns from a held-out problem',
  base: 'the untouched model is never finetuned',
  middle: 'only the first and the last round become examples',
  summary: 'a summary is read, not learnt',
} as const;
