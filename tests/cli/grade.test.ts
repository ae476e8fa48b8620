import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectRefusal, objects, polylogue } from './program';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'grade-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, ...lines: unknown[]): string {
  const path = join(dir, name);
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
}

describe('grade', () => {
  it('prints answer, gold and right of each line, and exits 0 whatever they are', () => {
    const data = file(
      'gsm8k.jsonl',
      { gold: '#### 1,200', response: 'The answer is $1200.', other: [1] },
      '',
      { gold: 12, response: 'I do not know' },
      { gold: '12', response: '\\boxed{13}' },
    );
    const ended = polylogue('grade', '--task', 'gsm8k', '--data', data, '--json');
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(objects(ended.out)).toEqual([
      { answer: '1200', gold: '1200', right: true },
      { answer: null, gold: '12', right: false },
      { answer: '13', gold: '12', right: false },
    ]);
    const text = polylogue('grade', '--task', 'gsm8k', '--data', data).out;
    expect(text).toContain('line 3: wrong, answer (none), gold 12');
    expect(text).toContain('1 of 3 right, 1 without an answer');
  });

  it('looks a choice up where the line has them', () => {
    const choices = ['x', 'y', 'z'];
    const data = file(
      'choices.jsonl',
      { gold: 1, choices, response: 'The answer is B.' },
      { gold: '(c)', response: 'The answer is B.' },
    );
    const { out } = polylogue('grade', '--task', 'multiple-choice', '--data', data, '--json');
    expect(objects(out).map(({ gold, right }) => [gold, right])).toEqual([
      ['B', true],
      ['C', false],
    ]);
  });

  it('refuses a line that it cannot read, by file and line', () => {
    const good = { gold: '1', response: '\\boxed{1}' };
    const refused = (task: string, line: unknown, ...words: string[]) =>
      expectRefusal(
        polylogue('grade', '--task', task, '--data', file('bad.jsonl', good, line), '--json'),
        'bad.jsonl: line 2',
        ...words,
      );
    refused('jsonl', '{"gold": "1"', 'not JSON');
    refused('jsonl', { gold: '1' }, '"response" is missing');
    refused('jsonl', { response: '1' }, '"gold" is missing');
    refused('gsm8k', { gold: 'five', response: '1' }, '"five" is not a number');
    refused('jsonl', '{"gold": 9007199254740993, "response": ""}', 'quotation marks');
    expectRefusal(polylogue('grade', '--task', 'x', '--data', 'y'), '--task', 'gsm8k');
  });
});
