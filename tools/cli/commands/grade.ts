/** `grade`: right or wrong for responses in a file, as a run would grade them. */
import { taskNamed, TASKS } from '../../../src/tasks';
import { gradeFile } from '../../../src/tasks/grade';
import { choice, readOptions, required } from '../args';
import { Output } from '../output';
import { readBytes } from '../session';

const NAMES = TASKS.map(({ name }) => name);

export const help = `polylogue grade --task NAME --data FILE.jsonl [options]

  --task NAME      ${NAMES.join(', ')}
  --data FILE      a line is {"gold", "response"}: the true answer as the files of the task have it ("#### 12" or "12" for gsm8k,
                   a letter for multiple-choice, or what names one of its "choices" where the line has them), and a whole response
  --json           one JSON object a line: answer (null where none could be read), gold, right

  Other keys of a line are ignored. Answers are read and compared by the functions with which a run grades its own responses;
  docs/grading.md says what they take for equal. The exit code is 0 whatever the answers are, and 1 where a line cannot be read.`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    task: { type: 'string' },
    data: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  required(values, 'task');
  const task = taskNamed(choice(values, 'task', NAMES, ''));
  const file = required(values, 'data');
  const grades = gradeFile(task, file, await readBytes(file));
  for (const { line, answer, gold, right } of grades) {
    output.object({ answer, gold, right });
    output.line(`line ${line}: ${right ? 'right' : 'wrong'}, answer ${answer ?? '(none)'}, gold ${gold}`);
  }
  const count = grades.filter(({ right }) => right).length;
  const unreadable = grades.filter(({ answer }) => answer === null).length;
  output.line(`${count} of ${grades.length} right, ${unreadable} without an answer`);
}
