/** Right answers count as right and false ones as wrong: cases of the public graders' kinds, in words of our own. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradeResponse } from '../../src/tasks/grade';
import { isFileTask, taskNamed } from '../../src/tasks';

interface Case {
  kind: string;
  task: string;
  gold: unknown;
  response: string;
  want: boolean;
  /** Why the grader is left wrong here. */
  left?: string;
}

export function casesOf(file: string): Case[] {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case);
}

function graded({ task: name, gold, response }: Case) {
  const task = taskNamed(name);
  if (!isFileTask(task)) throw new Error(name);
  const canonical = task.readGold(gold, {});
  return { canonical, ...gradeResponse(task, response, canonical) };
}

const cases = [...casesOf('grading.jsonl'), ...casesOf('gradingKinds.jsonl')];

describe('grading', () => {
  it.each(cases.map((one) => [one.kind, one.task, one.gold, one.response, one] as const))(
    '%s (%s): %j, %j',
    (_kind, _task, _gold, _response, one) => {
      const { right } = graded(one);
      // What is left wrong is listed with its reason; once it is mended the reason goes.
      expect(right).toBe(one.left === undefined ? one.want : !one.want);
    },
  );

  it('gives the same answer whichever side is gold, on all pairs of a task', () => {
    for (const name of new Set(cases.map(({ task }) => task))) {
      const all = cases.filter(({ task }) => task === name).map(graded);
      const texts = [...new Set(all.flatMap(({ canonical, answer }) => [canonical, answer]))].filter(
        (text) => text !== null,
      );
      const { equal } = taskNamed(name);
      for (const a of texts) {
        expect(equal(a, a)).toBe(true);
        for (const b of texts) if (equal(a, b) !== equal(b, a)) expect([a, b]).toBe('equal both ways');
      }
    }
  });
});
