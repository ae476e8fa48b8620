/** Writes the table of docs/grading.md from the committed cases: `npx tsx tools/grading/table.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { isFileTask, taskNamed } from '../../src/tasks';
import { gradeResponse } from '../../src/tasks/grade';

export interface GradingCase {
  kind: string;
  task: string;
  gold: unknown;
  response: string;
  /** Is the response right? */
  want: boolean;
  /** Why the grader is left wrong here. */
  left?: string;
}

const BEGIN = '<!-- table: begin -->';
const END = '<!-- table: end -->';
export const DOCUMENT = 'docs/grading.md';

export function gradingCases(): GradingCase[] {
  return ['grading', 'gradingKinds'].flatMap((name) => {
    const text = readFileSync(new URL(`../../tests/tasks/${name}.jsonl`, import.meta.url), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as GradingCase);
  });
}

/** What the grader says of a case. */
export function saysRight({ task: name, gold, response }: GradingCase): boolean {
  const task = taskNamed(name);
  if (!isFileTask(task)) throw new Error(`${name} reads no golds`);
  return gradeResponse(task, response, task.readGold(gold, {})).right;
}

/** Agreement by kind, then every case on which the grader is wrong. */
export function agreementTable(cases = gradingCases()): string {
  const rows = [...new Set(cases.map(({ kind }) => kind))].map((kind) => {
    const all = cases.filter((one) => one.kind === kind);
    const falseRight = all.filter((one) => !one.want && saysRight(one)).length;
    const falseWrong = all.filter((one) => one.want && !saysRight(one)).length;
    return `| ${kind} | ${all.length} | ${all.length - falseRight - falseWrong} | ${falseRight} | ${falseWrong} |`;
  });
  const wrong = cases
    .filter((one) => saysRight(one) !== one.want)
    .map(
      (one) =>
        `| \`${cell(String(one.gold))}\` | \`${cell(one.response)}\` | ${one.want ? 'right' : 'wrong'} | ${one.left ?? ''} |`,
    );
  return [
    '| kind | cases | agree | wrong, judged right | right, judged wrong |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    'What is left wrong:',
    '',
    '| gold | response | it is | why it is left |',
    '| --- | --- | --- | --- |',
    ...wrong,
  ].join('\n');
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The document with the table of now. */
export function withTable(document: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${DOCUMENT}: has no place for the table (${BEGIN}, ${END})`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${agreementTable()}\n\n${document.slice(end)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(DOCUMENT, withTable(readFileSync(DOCUMENT, 'utf8')));
}
