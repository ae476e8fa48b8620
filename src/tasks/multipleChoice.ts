/**
 * Multiple choice in the layouts of MMLU (Hendrycks et al. 2021: `choices` and an index) and CommonsenseQA (Talmor et al. 2019:
 * labelled choices and `answerKey`). The choices become part of the question, lettered from A; gold is a letter.
 */
import { choiceLetter, chosenLetter } from './answers';
import { chatPrompts } from './chatPrompts';
import { textField, withoutProblems } from './fileTask';
import type { FileTask } from './types';

const LETTERS = 'ABCDEFGHIJ';

type Fields = Readonly<Record<string, unknown>>;

interface Choices {
  /** null: they are lettered by their order. */
  labels: string[] | null;
  texts: string[];
}

function readProblem(record: Fields) {
  const nested = isFields(record['question']) ? record['question'] : null;
  const stem = nested ? textField(nested, 'stem') : textField(record, 'question');
  const choices = readChoices(record['choices'] ?? nested?.['choices']);
  const { texts } = choices;
  if (texts.length < 2 || texts.length > LETTERS.length) {
    throw new Error(`"choices" holds ${texts.length}; 2 to ${LETTERS.length} can be asked`);
  }
  const gold = LETTERS[answerIndex(record, choices)] as string;
  return { question: [stem, ...texts.map((text, index) => `${LETTERS[index]}) ${text}`)].join('\n'), gold };
}

/** Letters of the choices that a question ends with (`readProblem`): the last line that begins with A), and those after it, in their order. */
function letteredChoices(question: string): string[] {
  const lines = question.split('\n');
  const first = lines.findLastIndex((line) => line.startsWith('A) '));
  const letters: string[] = [];
  for (const line of first < 0 ? [] : lines.slice(first)) {
    const letter = LETTERS.charAt(letters.length);
    if (letter !== '' && line.startsWith(`${letter}) `)) letters.push(letter);
  }
  return letters;
}

function readChoices(value: unknown): Choices {
  if (isFields(value)) {
    // {"label": [...], "text": [...]}
    const { label, text } = value;
    if (!Array.isArray(label) || !isTexts(text) || label.length !== text.length) {
      throw new Error('"choices" needs "label" and "text", two lists of one length');
    }
    return { labels: checkedLabels(label), texts: text };
  }
  if (!Array.isArray(value)) throw new Error('"choices" is not a list');
  if (isTexts(value)) return { labels: null, texts: value };
  // [{"label", "text"}, ...]
  const items = (value as unknown[]).map((item) => {
    if (!isFields(item)) throw new Error('"choices" holds something that is neither text nor {"label", "text"}');
    return { label: item['label'], text: textField(item, 'text') };
  });
  return { labels: checkedLabels(items.map(({ label }) => label)), texts: items.map(({ text }) => text) };
}

/**
 * Index of the right choice. Where the choices have labels of their own, numeric ones too, a number or a text names a label;
 * only where they have none does a number count from 0 and a text name a letter. The text of a choice is no answer: two
 * choices may read alike, and a label may be another choice's text.
 *
 * @throws Error where the answer names no choice, or where "answer" and "answerKey" name different ones
 */
function answerIndex(record: Fields, choices: Choices): number {
  const fields = ['answer', 'answerKey'].filter((field) => record[field] !== undefined && record[field] !== null);
  const [first, second] = fields.map((field) => choiceNamed(field, record[field], choices));
  if (first === undefined) throw new Error('"answer" (or "answerKey") is missing');
  if (second !== undefined && second !== first) throw new Error('"answer" and "answerKey" name different choices');
  return first;
}

function choiceNamed(field: string, answer: unknown, { labels, texts }: Choices): number {
  const where = `"${field}" ${JSON.stringify(answer)}`;
  if (typeof answer === 'number' && !labels) {
    if (Number.isInteger(answer) && answer >= 0 && answer < texts.length) return answer;
    throw new Error(`${where} is no index of one of ${texts.length} choices (0 is the first)`);
  }
  if (typeof answer !== 'number' && typeof answer !== 'string')
    throw new Error(`${where} is neither a label nor an index`);
  const names = labels ?? [...LETTERS].slice(0, texts.length);
  const index = labelled(names, String(answer).trim());
  if (index !== null) return index;
  const isText = texts.some((text) => text.trim() === String(answer).trim());
  if (names.length === 0) throw new Error('"choices" is empty; give the choices, or leave it out');
  throw new Error(
    `${where} is none of ${names.join(', ')}${isText ? '; it is the text of a choice: give its label instead' : ''}`,
  );
}

/** The label that is written so, else the only one that is written so but for capitals. */
function labelled(names: readonly string[], answer: string): number | null {
  const exact = names.indexOf(answer);
  if (exact >= 0) return exact;
  const alike = names.flatMap((name, index) => (name.toUpperCase() === answer.toUpperCase() ? [index] : []));
  return alike.length === 1 ? (alike[0] as number) : null;
}

/** Labels as texts, without surrounding spaces. @throws Error where one is empty, no label, or given twice */
function checkedLabels(labels: readonly unknown[]): string[] {
  const names = labels.map((label) => {
    const name = typeof label === 'number' ? String(label) : typeof label === 'string' ? label.trim() : '';
    if (name === '')
      throw new Error(`"choices" has the label ${JSON.stringify(label)}, which is neither text nor number`);
    return name;
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`"choices" has the label ${JSON.stringify(twice)} twice`);
  return names;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item.trim() !== '');
}

const prompts = chatPrompts('the letter of one choice');

export const multipleChoice: FileTask = {
  name: 'multiple-choice',
  // 2: variables and units count, and other rules of docs/grading.md.
  revision: 2,
  title: 'Multiple choice',
  description: 'Questions with lettered choices, from a file in the layout of MMLU or CommonsenseQA.',
  dialect: 'chat',
  lineFormat:
    '{"question", "choices", "answer"} with the letter or the index (from 0) of the right choice, or its label where choices have labels',
  exampleLine: '{"question": "What is the capital of France?", "choices": ["Rome", "Paris"], "answer": 1}',
  readGold(answer, record) {
    const choices = record['choices'];
    if (choices !== undefined) return LETTERS[answerIndex({ answer }, readChoices(choices))] as string;
    const letter = typeof answer === 'string' ? choiceLetter(answer) : null;
    if (letter === null)
      throw new Error(
        `${JSON.stringify(answer)} is no letter of a choice, and there are no "choices" to look it up in`,
      );
    return letter;
  },
  readProblem,
  problems: withoutProblems('multiple-choice'),
  ...prompts,
  candidates: ({ question }) => letteredChoices(question).map((answer) => ({ answer, text: prompts.stated(answer) })),
  extractAnswer: chosenLetter,
  exact: true,
  equal: (a, b) => a === b,
};
