/** Logs that the first log format wrote: they verify and give their results for ever. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { digestOf } from '../../src/log/digest';
import { resultsOf } from '../../src/log/results';
import { PRESETS } from '../../src/recipes/presets';

const FOLDER = 'tests/fixtures/logs/format1';
const digests = JSON.parse(readFileSync(join(FOLDER, 'digests.json'), 'utf8')) as Record<string, string>;

it('has logs of presets that are still known', () => {
  expect(Object.keys(PRESETS)).toEqual(expect.arrayContaining(Object.keys(digests)));
});

describe.each(Object.entries(digests))('%s', (preset, digest) => {
  const lines = readFileSync(join(FOLDER, `${preset}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  const events = lines.map((line) => JSON.parse(line) as RunEvent);

  it('verifies against the digest that its run recorded', () => {
    expect(digestOf(events)).toBe(digest);
  });

  it('gives the results that were computed then', () => {
    const recorded: unknown = JSON.parse(readFileSync(join(FOLDER, `${preset}.results.json`), 'utf8'));
    expect(JSON.parse(JSON.stringify(resultsOf(events)))).toEqual(recorded);
  });
});
