/** The recorded runs of the site: the list is what lies there, every log is whole and valid, and its digests are those that the list says. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, discreteDigestOf } from '../../src/log/digest';
import { readEvents } from '../../src/log/read';
import type { RunStarted } from '../../src/events';
import { DEFAULT_RECIPE, recipes } from '../../src/recipes';
import { checkConfig } from '../../src/recipes/resolve';
import {
  readRecordedIndex,
  recorded,
  RECORDED_BUDGET,
  recordedLines,
  recordedRecord,
  withoutNumbers,
} from '../../src/share/recorded';
import { RECORDED_FOLDER, RECORDED_INDEX, recordedFile } from '../../src/share/recordedNames';
import { resolveConfig } from '../../src/recipes/resolve';
import { configOf } from '../../src/ui/course/experiments';
import { questionOf, QUESTIONS } from '../../src/ui/course/questions';
import { headlines } from '../../src/ui/readings/headline';
import { indexLog } from '../../src/ui/readings/logIndex';
import { measureRows } from '../../src/ui/readings/measures';
import { pairedAt } from '../../src/ui/readings/paired';
import { recordedLike } from '../../src/ui/recorded/first';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';

const FOLDER = join('static', RECORDED_FOLDER);
const { runs } = readRecordedIndex(readFileSync(join(FOLDER, RECORDED_INDEX), 'utf8'));
const fileOf = (run: (typeof runs)[number]) => new Uint8Array(readFileSync(join(FOLDER, recordedFile(run))));

describe('the recorded runs of the site', () => {
  it('are the files that the list names, within their budget', () => {
    expect(readdirSync(FOLDER).sort()).toEqual([RECORDED_INDEX, ...runs.map(recordedFile)].sort());
    const bytes = runs.reduce((sum, run) => sum + statSync(join(FOLDER, recordedFile(run))).size, 0);
    expect(bytes).toBe(runs.reduce((sum, run) => sum + run.bytes, 0));
    expect(bytes).toBeLessThan(RECORDED_BUDGET);
  });

  it('hold the tiny run of every recipe, the quick run of multiagent finetuning and a run of every question', () => {
    const names = runs.map(({ name }) => name);
    for (const { id, presets } of recipes())
      expect(names).toContain(`${id}-${Object.keys(presets).find((preset) => preset.endsWith('-tiny'))}`);
    for (const { id, experiment } of QUESTIONS) {
      const run = runs.find(({ variant }) => variant === id)!;
      const events = readEvents(recordedLines(run, fileOf(run)));
      const { config } = events[0] as RunStarted;
      expect(config).toEqual(configOf(experiment));
      // What the page says of it beneath the question.
      expect(questionOf(config)?.answer(indexLog(events))).toMatch(/points \(95 % interval/);
    }
    expect(names).toContain(`${DEFAULT_RECIPE}-arithmetic-tiny`);
    expect(names).toContain(`${DEFAULT_RECIPE}-arithmetic-quick`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('have a row of its own for each measure of each learner', () => {
    for (const run of runs) {
      const rows = measureRows(indexLog(readEvents(recordedLines(run, fileOf(run)))));
      expect(new Set(rows.map(({ name, label }) => `${name} ${label}`)).size, run.name).toBe(rows.length);
      expect(new Set(rows.map(({ key }) => key)).size, run.name).toBe(rows.length);
    }
    const loop = runs.find(({ name }) => name === 'preference-loop-arithmetic-tiny')!;
    const rows = measureRows(indexLog(readEvents(recordedLines(loop, fileOf(loop)))));
    expect(rows.filter(({ label }) => label === 'mean tokens').map(({ name }) => name)).toEqual([
      'held-out answers, the untouched model',
      'held-out answers, the policy',
    ]);
  });

  it('have one row a method in the table of paired differences', () => {
    for (const run of runs) {
      const index = indexLog(readEvents(recordedLines(run, fileOf(run))));
      const tests = index.summary.filter(({ type }) => type === 'evaluation');
      for (const event of tests) {
        const methods = 'iteration' in event ? pairedAt(index, event.iteration).map(({ method }) => method) : [];
        expect(new Set(methods).size, run.name).toBe(methods.length);
      }
    }
  });

  it('blame finetuning only for what answers as before', () => {
    const malt = runs.find(({ variant }) => variant === 'course-malt')!;
    const [gain, against] = headlines(indexLog(readEvents(recordedLines(malt, fileOf(malt)))));
    expect(gain).toMatch(/^After iteration 1 “MALT, vote of 3” is right on 52 of 60 .*, without finetuning on 38:/);
    expect(against).toMatch(
      /^Against the majority of 9 at equal calls, right on 58 of 60: .* It is worse\. Chance alone/,
    );
  });

  it.each(runs.map((run) => [run.name, run] as const))('%s is a whole valid log with its digests', (_, run) => {
    const lines = recordedLines(run, fileOf(run));
    const events = readEvents(lines);
    expect(events).toHaveLength(run.events);
    expect(events.at(-1)?.type).toBe('run-finished');
    expect(digestOf(lines.map((line) => JSON.parse(line) as object))).toBe(run.digest);
    expect(discreteDigestOf(events)).toBe(run.discreteDigest);
    expect(withoutNumbers(events)).toEqual(events);
    const { config } = recordedRecord(run, lines);
    expect(checkConfig(config)).toMatchObject({ recipe: run.recipe, preset: run.preset, seed: run.seed });
  });
});

describe('the recorded run that comes closest to an experiment', () => {
  const named = (name: string) => runs.find((run) => run.name === name)!;
  const wanted = (recipe: string, preset: string, digest?: string) =>
    recordedLike(runs, {
      recipe: { id: recipe },
      preset: { id: preset },
      receipt: digest === undefined ? null : { digest },
    });

  it('is the run itself, its preset, its recipe, or none', () => {
    const quick = named('multiagent-finetuning-arithmetic-quick');
    const lots = named('multiagent-finetuning-arithmetic-tiny-random-labels');
    expect(wanted('multiagent-finetuning', 'arithmetic-tiny', lots.runDigest)).toBe(lots);
    expect(wanted('multiagent-finetuning', 'arithmetic-quick')).toBe(quick);
    expect(wanted('multiagent-finetuning', 'strategies-tiny')?.name).toBe('multiagent-finetuning-arithmetic-tiny');
    expect(wanted('star', 'words', 'f'.repeat(64))?.name).toBe('star-arithmetic-tiny');
    expect(wanted('of-another-build', 'arithmetic-tiny')).toBeNull();
  });
});

describe('a recorded run', () => {
  const played = () =>
    logOf(new FakeRuntime(), resolveConfig('arithmetic-tiny', { trainProblems: 12, evaluationProblems: 12 }));

  it('keeps decisions and leaves out numbers by token', async () => {
    const events = await played();
    const { entry, file } = recorded(events, 'a run');
    expect(entry).toMatchObject({
      name: `${DEFAULT_RECIPE}-arithmetic-tiny`,
      runDigest: digestOf(events),
      discreteDigest: discreteDigestOf(events),
    });
    const kept = readEvents(recordedLines(entry, file));
    expect(discreteDigestOf(kept)).toBe(entry.discreteDigest);
    expect(JSON.stringify(kept)).not.toMatch(/logprobs|margins/);
  });

  it('is refused where it is unfinished, or where the file is another one', async () => {
    const events = await played();
    expect(() => recorded(events.slice(0, -1), 'a run')).toThrow('a run: is no finished run');
    const { entry, file } = recorded(events, 'a run');
    expect(() => recordedLines(entry, file.slice(1))).toThrow('is another file than the site lists');
  });

  it('is in a list that is refused where it is none', () => {
    expect(() => readRecordedIndex('{')).toThrow('recorded/index.json: is not JSON');
    expect(() => readRecordedIndex('{"format":2,"runs":[]}')).toThrow('is no list of recorded runs: format');
    expect(() => readRecordedIndex('{"format":1,"runs":[{"name":"../x"}]}')).toThrow(
      'is no list of recorded runs: runs.0',
    );
  });
});
