/** Right answers count as right and false ones as wrong: cases of the public graders' kinds, in words of our own. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isFileTask, taskNamed } from '../../src/tasks';
import { DOCUMENT, gradingCases, saysRight, withTable } from '../../tools/grading/table';

const cases = gradingCases();

describe('grading', () => {
  it.each(cases.map((one) => [one.kind, one.task, one.gold, one.response, one] as const))(
    '%s (%s): %j, %j',
    (_kind, _task, _gold, _response, one) => {
      // What is left wrong is listed with its reason; once it is mended the reason goes.
      expect(saysRight(one)).toBe(one.left === undefined ? one.want : !one.want);
    },
  );

  it('gives the same answer whichever side is gold, on all pairs of a task', () => {
    for (const name of new Set(cases.map(({ task }) => task))) {
      const task = taskNamed(name);
      if (!isFileTask(task)) throw new Error(name);
      const all = cases.filter((one) => one.task === name);
      const texts = all.flatMap((one) => [task.readGold(one.gold, {}), task.extractAnswer(one.response)]);
      const answers = [...new Set(texts)].filter((text) => text !== null);
      for (const [i, a] of answers.entries()) {
        expect(task.equal(a, a)).toBe(true);
        for (const b of answers.slice(i + 1))
          if (task.equal(a, b) !== task.equal(b, a)) expect([a, b]).toBe('equal both ways');
      }
    }
  }, 300_000);

  it('is documented as it is', () => {
    const document = readFileSync(DOCUMENT, 'utf8');
    const plain = (text: string) => text.replace(/[ -]+/g, ' ');
    expect(plain(document)).toBe(plain(withTable(document)));
  });
});
