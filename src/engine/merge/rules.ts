/** How adapters become one: the rules by name, for whoever holds adapters and knows no rule. */
import { AdapterError } from '../errors';
import type { AdapterWeights, Grams } from '../types';
import type { Factorised } from './deltas';
import { matrixNames, mergeLinear, nameOf } from './linear';
import { RegMean } from './regMean';
import { mergeEmrPart, mergeTies } from './signs';

/** Ranks are of the adapter that comes out. */
export type MergeRule =
  /** Σ λ ΔW_i, exact, of the rank Σ R_i. */
  | { kind: 'task-arithmetic'; scale: number }
  /** Trimmed to the share `density`, signs elected, times λ. */
  | { kind: 'ties'; density: number; scale: number; rank: number }
  /** The part of EMR's unified vector that belongs to one of the adapters, by its index. */
  | { kind: 'emr'; of: number; rank: number }
  /** By what each adapter's matrices read, exact, of the rank Σ R_i. */
  | { kind: 'regmean'; offDiagonal: number };

/** Entries of all ΔW together for rules that look at each: 8 bytes each make 2 GiB. */
export const MOST_ENTRIES = 2 ** 28;

/**
 * Adapters of one model as one.
 * @param gramsOf the adapter with this index: of what all adapted matrices read under it, for `regmean`
 * @throws AdapterError for no adapters, adapters of several models, a rule that does not fit, and more entries than have room
 */
export async function mergeAdapters(
  adapters: readonly AdapterWeights[],
  rule: MergeRule,
  gramsOf: (index: number) => Promise<Grams> = () => Promise.resolve([]),
): Promise<Factorised> {
  if (rule.kind === 'regmean') {
    const mean = new RegMean(rule.offDiagonal);
    for (const [index, adapter] of adapters.entries()) mean.add(adapter, await gramsOf(index));
    return { adapter: mean.merged(), lost: 0 };
  }
  if (rule.kind === 'task-arithmetic')
    return { adapter: mergeLinear(adapters.map((adapter) => ({ adapter, coefficient: rule.scale }))), lost: 0 };
  const entries = entriesOf(adapters);
  if (entries > MOST_ENTRIES)
    throw new AdapterError(
      `merging by ${rule.kind} looks at ${entries.toLocaleString('en')} entries, and at most ` +
        `${MOST_ENTRIES.toLocaleString('en')} have room; merge by task-arithmetic, or adapt fewer projections`,
    );
  if (rule.kind === 'ties') return mergeTies(adapters, rule);
  return mergeEmrPart(adapters, rule.of, rule.rank);
}

/** Entries of the ΔW of all adapters. */
function entriesOf(adapters: readonly AdapterWeights[]): number {
  return adapters.reduce(
    (total, adapter) =>
      total +
      matrixNames([adapter]).reduce((sum, name) => {
        const [a, b] = (['A', 'B'] as const).map((part) => adapter.tensors.get(nameOf(name, part)));
        return sum + (b?.shape[0] ?? 0) * (a?.shape[1] ?? 0);
      }, 0),
    0,
  );
}
