/** How much of the gap between a weak teacher and a ceiling each student recovers. */
import { runResults } from './evaluations';
import type { LogIndex } from './logIndex';
import type { DataTable } from '../../share/exports/table';

export interface RecoveredRow {
  key: string;
  /** Labels of methods. */
  weak: string;
  student: string;
  ceiling: string;
  gain: number;
  gap: number;
  /** Of the gap, 95 %. */
  interval: [number, number];
  /** null: the gap is too small to say. */
  share: number | null;
}

/** After an iteration; none for recipes that have no such triples. */
export function recoveredIn(index: LogIndex, iteration: number): RecoveredRow[] {
  const label = (key: string) => index.cast.methods.find((method) => method.key === key)?.label ?? key;
  return (runResults(index).iterations[iteration]?.recovered ?? []).map(({ weak, student, ceiling, ...numbers }) => ({
    key: `${weak} ${student} ${ceiling}`,
    weak: label(weak),
    student: label(student),
    ceiling: label(ceiling),
    ...numbers,
  }));
}

/** The same for files. */
export function recoveredTable(index: LogIndex, iteration: number): DataTable {
  return {
    columns: ['student', 'weak', 'ceiling', 'gain', 'gap', 'low', 'high', 'share'],
    rows: recoveredIn(index, iteration).map(({ student, weak, ceiling, gain, gap, interval, share }) => [
      student,
      weak,
      ceiling,
      gain,
      gap,
      ...interval,
      share,
    ]),
  };
}
