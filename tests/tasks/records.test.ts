/** Files of records: the three formats, and messages with the line and what to do. */
import { describe, expect, it } from 'vitest';
import { ProblemFileError } from '../../src/tasks/errors';
import { gsm8k } from '../../src/tasks/gsm8k';
import { importProblems } from '../../src/tasks/importer';
import { jsonl } from '../../src/tasks/jsonl';
import { multipleChoice } from '../../src/tasks/multipleChoice';
import { plainText } from '../../src/tasks/textLines';
import type { FileTask } from '../../src/tasks/types';

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string, name = 'data.txt', task: FileTask = jsonl) =>
  importProblems(task, name, bytes(text)).problems.map(({ question, gold }) => [question, gold]);
const BOM = '\uFEFF';

describe('formats', () => {
  const want = [
    ['What is 1+1, in all?', '2'],
    ['Say "a"\nor b', 'b'],
  ];
  it.each([
    ['lines', '{"question":"What is 1+1, in all?","answer":2}\r\n\r\n{"question":"Say \\"a\\"\\nor b","answer":"b"}'],
    ['a list', '[{"question":"What is 1+1, in all?","answer":2},{"question":"Say \\"a\\"\\nor b","answer":"b"}]\n'],
    [
      'a list over lines',
      '[\n  {\n    "question": "What is 1+1, in all?",\n "answer": 2, "tags": [1, {"a": "]"}]\n  },\n  {"question":"Say \\"a\\"\\nor b","answer":"b"}\n]',
    ],
    ['CSV', 'question,answer\n"What is 1+1, in all?",2\n"Say ""a""\nor b",b\n'],
    [
      'CSV as spreadsheets write it',
      'id,"question",answer\r\n1,"What is 1+1, in all?","2"\r\n\r\n2,"Say ""a""\nor b",b',
    ],
  ])('reads %s, with a byte-order mark too', (_, text) => {
    expect(read(text)).toEqual(want);
    expect(read(BOM + text)).toEqual(want);
  });

  it('takes a whole pair of escapes, and a backslash before a u', () => {
    expect(read('{"question":"\\ud83d\\ude00 \\\\ud83d","answer":"1"}')).toEqual([['😀 \\ud83d', '1']]);
  });

  it('gives a problem the same id in every format', () => {
    const ids = ['{"question":"q","answer":"1"}', '[{"question":"q","answer":"1"}]', 'question,answer\nq,1'].map(
      (text) => importProblems(jsonl, 'x', bytes(text)).problems[0]?.id,
    );
    expect(new Set(ids).size).toBe(1);
  });

  it('takes the lettered columns of a table as choices', () => {
    const table = 'question,A,B,C,answer\nWhere?,here,there,,B\n';
    expect(read(table, 'mmlu.csv', multipleChoice)).toEqual([['Where?\nA) here\nB) there', 'B']]);
  });
});

describe('refusals name the line and what to do', () => {
  it.each([
    ['[1, 2]', 1, 'is not a JSON object; a line is {"question", "answer"}'],
    ['{"question":"q","answer":"1"}\n{"question":"q","answer":"1","answer":"2"}', 2, 'the key "answer" twice'],
    ['{"question":"q","answer":"\\ud83d"}', 1, 'half a character'],
    ['[\n{"question":"q","answer":1},\n5]', 3, 'is not a JSON object'],
    ['[{"question":"q","answer":1},]', 1, 'comma with nothing behind it'],
    ['[{"question":"q","answer":1},\n{"question":"r"', 2, 'ends before its closing ]'],
    ['[{"question":"q","answer":1}]\n\n{"question":"r","answer":1}', 3, 'something behind the end of the list'],
    ['[\n\n {"question":"q",\n"answer":Infinity}]', 3, 'JSON has no Infinity'],
    ['{"question":"q","answer":-Infinity}', 1, 'JSON has no -Infinity'],
    ['{"question":"NaN?","answer":NaN}', 1, 'JSON has no NaN'],
    ['{"question":"q","answer":None}', 1, 'JSON has no None'],
    ["{'question': 'q'}", 1, 'double quotes, not single ones'],
    ['{\n "question": "q",\n "answer": 1\n}', 1, 'one object takes several lines; write it in one line'],
    ['What is 1+1?\n2', 1, 'give one JSON object a line'],
    ['5', 1, 'is not a JSON object; a line is'],
    ['{"question":"q","answer":1}\n"q"', 2, 'is not a JSON object'],
    ['question;answer\nq;1', 1, 'separates its columns by semicolons; save the file with commas'],
    ['question\tanswer\nq\t1', 1, 'separates its columns by tabs'],
    ['Question,Answer\nq,1', 1, 'names the column "Question"; write "question"'],
    ['question,answer,answer\nq,1,1', 1, 'has two columns named "answer"'],
    ['question,answer\nq,1\n\n1+1, or 2?,2', 4, 'has 3 cells, the header 2'],
    ['question,answer\nq,1\n"r\ns,2\n', 3, 'double quote is never closed'],
    ['question,answer\n"a\nb",1\n"q" r,1', 4, 'text behind the closing quote'],
    ['question,answer\nq "r",1', 2, 'double quote inside a cell'],
    ['question,answer\nq,1\nr,\n', 3, '"answer" is empty'],
    ['question,reply\nq,1', 2, '"answer" is missing'],
  ])('%j', (text, line, problem) => {
    expect(() => read(text)).toThrow(ProblemFileError);
    expect(() => read(text)).toThrow(new RegExp(`^data\\.txt: line ${line}: `));
    expect(() => read(text)).toThrow(problem);
  });

  it('says of a CSV without a header that it has none', () => {
    expect(() => read('What is 1+1?,2\n', 'own.csv')).toThrow(
      /own\.csv: line 1: is no header with the column "question"/,
    );
  });

  it.each(['', BOM, '\n \n', '[]', 'question,answer\n'])('holds no problems: %j', (text) => {
    expect(() => read(text)).toThrow(/^data\.txt: holds no problems; a line is/);
  });

  it('finds bytes that are not UTF-8 in their line, in every format', () => {
    for (const before of ['{"question":"q","answer":1}\n', '[\n', 'question,answer\n']) {
      const broken = new Uint8Array([...bytes(before), 0x63, 0xe9, 0x0a]);
      expect(() => importProblems(jsonl, 'd', broken)).toThrow('d: line 2: is not UTF-8 text; save the file as UTF-8');
    }
    const wide = new Uint8Array([0xff, 0xfe, 0x7b, 0]);
    expect(() => importProblems(jsonl, 'd', wide)).toThrow('d: is UTF-16 text; save it as UTF-8');
    expect(() => plainText('t', new Uint8Array([0x61, 0x0a, 0x0a, 0xff]))).toThrow('t: line 3: is not UTF-8 text');
    expect(plainText('t', bytes(`${BOM}a\r\n\nb`))).toBe('a\r\n\nb');
  });

  it('quotes only the beginning of long texts', () => {
    const long = 'x'.repeat(1_000_000);
    const messages = [
      () => read(`{"question":"q","answer":"#### ${long}"}`, 'd', gsm8k),
      () => read(long),
      () => read(`{"question":"q","answer":"${long}"`),
      () => read(`{"question":"q","answer":"1"}\n{"question":"q","answer":"${long}"}`),
    ].map((call) => {
      try {
        call();
      } catch (error) {
        return (error as Error).message;
      }
      return long;
    });
    for (const message of messages) expect(message.length).toBeLessThan(600);
  });
});
