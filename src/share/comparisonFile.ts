/** A comparison that `polylogue compare` wrote, read from its file. What the page does not draw is not looked at. */
import * as v from 'valibot';
import { PolylogueError } from '../engine/errors';
import type { ComparedMethod, ComparedPair } from '../log/comparison';

/** A file that holds no comparison; the message names the file and the field. */
export class ComparisonFileError extends PolylogueError {
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}. Open the comparison.json that polylogue compare wrote`);
  }
}

/** What the page shows of a comparison. */
export interface ShownComparison {
  title: string;
  methods: Omit<ComparedMethod, 'runs'>[];
  pairs: ComparedPair[];
}

/** Bytes of a file that is read at all. */
const LARGEST = 64 * 2 ** 20;
const MOST_ROWS = 10_000;

const text = v.pipe(v.string(), v.maxLength(500));
const finite = v.pipe(v.number(), v.finite());
const count = v.pipe(finite, v.integer(), v.minValue(0));
const share = v.pipe(finite, v.minValue(0), v.maxValue(1));
const signed = v.pipe(finite, v.minValue(-1), v.maxValue(1));
const interval = v.tuple([finite, finite]);
const spread = v.object({
  runs: count,
  mean: finite,
  deviation: v.nullable(finite),
  interval: v.nullable(interval),
  p: v.nullable(share),
});
const rows = <T extends v.GenericSchema>(row: T) => v.pipe(v.array(row), v.maxLength(MOST_ROWS));

const SCHEMA = v.object({
  title: text,
  methods: rows(
    v.object({
      key: text,
      recipe: text,
      label: text,
      answer: text,
      calls: count,
      accuracy: share,
      interval,
      spread,
      trainedTokens: v.pipe(finite, v.minValue(0)),
      trainedGenerations: v.pipe(finite, v.minValue(0)),
    }),
  ),
  pairs: rows(
    v.object({
      first: text,
      second: text,
      seeds: rows(count),
      n: count,
      onlyFirst: count,
      onlySecond: count,
      difference: signed,
      interval,
      p: share,
      adjusted: share,
      spread,
    }),
  ),
});

/** @param file its name, for errors @throws ComparisonFileError */
export function readComparison(file: string, content: string): ShownComparison {
  if (content.length > LARGEST) throw new ComparisonFileError(file, 'is larger than 64 MiB');
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new ComparisonFileError(file, 'is no JSON');
  }
  const read = v.safeParse(SCHEMA, value, { abortEarly: true });
  if (read.success) return read.output;
  const [issue] = read.issues;
  const path = (issue.path ?? []).map(({ key }) => String(key)).join('.');
  throw new ComparisonFileError(
    file,
    path === ''
      ? 'holds no comparison'
      : `has a wrong field ${path}: ${issue.received} instead of ${issue.expected ?? 'a value in range'}`,
  );
}
