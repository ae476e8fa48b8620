/** What the page says of every recorded run: sentences that can be read, and looks that can be told apart. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunEvent, RunStarted } from '../../src/events';
import { readEvents } from '../../src/log/read';
import { readRecordedIndex, recordedLines } from '../../src/share/recorded';
import { RECORDED_FOLDER, RECORDED_INDEX, recordedFile } from '../../src/share/recordedNames';
import { settingsText } from '../../src/ui/format';
import { learnerLooks, methodLooks } from '../../src/ui/looks';
import { datasetChoices, datasetSizes } from '../../src/ui/readings/datasets';
import { accuracyByAgent, diversityCharts, precisionByVotes } from '../../src/ui/readings/diagnostics';
import { headlines, leadByIteration } from '../../src/ui/readings/headline';
import { instructiveDebate } from '../../src/ui/readings/instructive';
import { indexLog, type LogIndex } from '../../src/ui/readings/logIndex';
import { lossCurves } from '../../src/ui/readings/losses';
import { differenceByIteration, referenceName } from '../../src/ui/readings/paired';
import { accuracyByIteration } from '../../src/ui/readings/results';

const { runs } = readRecordedIndex(readFileSync(join('static', RECORDED_FOLDER, RECORDED_INDEX), 'utf8'));
const recorded = runs.map((run) => {
  const events = readEvents(
    recordedLines(run, new Uint8Array(readFileSync(join('static', RECORDED_FOLDER, recordedFile(run))))),
  );
  return { name: run.name, config: (events[0] as RunStarted).config, index: indexLog(events) };
});
const named = (name: string): LogIndex => recorded.find((run) => run.name === name)!.index;

describe.each(recorded)('$name', ({ config, index }) => {
  it('tells learners by colour, and the methods of a learner by mark and line', () => {
    const colours = learnerLooks(index.cast).map(({ colorName }) => colorName);
    expect(new Set(colours).size).toBe(colours.length);
    const looks = new Map(methodLooks(index.cast).map((look) => [look.answer, `${look.shape} ${look.dash}`]));
    expect(new Set(looks.values()).size).toBe(looks.size);
    const ways = [
      ...(accuracyByIteration(index)
        .reading?.split('answered: ')[1]
        ?.matchAll(/\(([^)]+)\)/g) ?? []),
    ];
    expect(new Set(ways.map(([, line]) => line)).size).toBe(looks.has('majority-equal') ? ways.length : looks.size);
  });

  it('speaks in sentences', () => {
    const said = [...headlines(index), instructiveDebate(index)?.sentence ?? ''].join(' ');
    expect(said).not.toMatch(/[’']s \S+[’']s /);
    expect(said).not.toMatch(/[+−]0\.0 points|[+−]0\.0 to/);
    // A label with a comma of its own stands in quotation marks.
    const texts = [said, differenceByIteration(index).title, referenceName(index.cast)];
    const unquoted = texts
      .join(' ')
      .replaceAll(/“[^”]*”/g, '')
      .toLowerCase();
    for (const { label } of index.cast.methods)
      if (label.includes(',')) expect(unquoted).not.toContain(label.toLowerCase());
    expect(settingsText(config)).not.toMatch(/: [^·]*: /);
    expect(leadByIteration(index)?.title ?? '').not.toMatch(/undefined/);
  });

  it('counts every example of every data set in one row a name', () => {
    const sets = index.summary.filter((event) => event.type === 'dataset');
    const iterations = [...index.datasets.keys()];
    const counted = datasetSizes(index, iterations).flatMap(({ examples }) => examples.map((count) => count ?? 0));
    const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
    expect(sum(counted)).toBe(sum(sets.map(({ examples }) => examples.length)));
  });

  it('draws the rounds that a learner has', () => {
    for (const { key } of learnerLooks(index.cast).slice(1)) {
      const tests = index.summary.flatMap((event) =>
        event.type === 'evaluation' && event.learner === key ? [event.layers.length] : [],
      );
      if (tests.length > 0) expect(accuracyByAgent(index, key)).toHaveLength(Math.max(...tests));
    }
  });
});

describe('a run in which one agent answers', () => {
  it.each(['star-arithmetic-tiny', 'ensem-w2s-arithmetic-tiny'])('has no diversity and no agreement: %s', (name) => {
    expect(diversityCharts(named(name))).toEqual([]);
    expect(precisionByVotes(named(name), 1).series).toEqual([]);
  });
});

describe('a student of another model', () => {
  const index = named('ensem-w2s-arithmetic-tiny');
  const { cast, summary } = index;

  it('is not said to have been the untouched model before finetuning', () => {
    expect(headlines(index).join(' ')).toContain('Without finetuning 14 of 24 were right');
    const events = summary.flatMap((event): RunEvent[] => {
      if (event.type === 'run-started') return [{ ...event, secondModel: { name: 'larger', hash: '00' } }];
      if (event.type !== 'evaluation' || event.iteration > 0) return [event];
      const scores = event.scores.map((score) => ({ ...score, method: 'student' }));
      return [event, { ...event, learner: 'student', scores }];
    });
    const said = headlines(indexLog(events)).join(' ');
    expect(said).not.toContain('Without finetuning');
    expect(said).toContain('Against the untouched model at equal calls, right on 14 of 24: +29.2 points');
  });

  it('and the larger model beside it have colours of their own', () => {
    const larger = { key: 'larger', label: 'Untouched larger model', name: 'the larger model', agents: [] };
    const colours = learnerLooks({ ...cast, learners: [...cast.learners, larger] }).map(({ colorName }) => colorName);
    expect(new Set(colours).size).toBe(9);
  });
});

describe('the preference loop', () => {
  it('names its objectives and data sets in words', () => {
    const index = named('preference-loop-arithmetic-tiny');
    expect(lossCurves(index).series.map(({ label }) => label)).toEqual(['student, ranking', 'policy, DPO']);
    expect(datasetChoices(index, 1).map(({ label }) => label)).toEqual(['student, warm-up', 'policy', 'student']);
  });
});
