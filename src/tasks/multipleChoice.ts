/**
 * Multiple choice in the layouts of MMLU (Hendrycks et al. 2021: `choices` and an index) and CommonsenseQA (Talmor et al. 2019:
 * labelled choices and `answerKey`). The choices become part of the question, lettered from A; gold is a letter.
 */
import { chosenLetter } from './answers';
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

function readChoices(value: unknown): Choices {
  if (isFields(value)) {
    // {"label": [...], "text": [...]}
    const { label, text } = value;
    if (!isTexts(label) || !isTexts(text) || label.length !== text.length) {
      throw new Error('"choices" needs "label" and "text", two lists of texts of one length');
    }
    return { labels: label, texts: text };
  }
  if (!Array.isArray(value)) throw new Error('"choices" is not a list');
  if (isTexts(value)) return { labels: null, texts: value };
  // [{"label", "text"}, ...]
  const items = (value as unknown[]).map((item) => {
    if (!isFields(item)) throw new Error('"choices" holds something that is neither text nor {"label", "text"}');
    return { label: textField(item, 'label'), text: textField(item, 'text') };
  });
  return { labels: items.map(({ label }) => label), texts: items.map(({ text }) => text) };
}

/** Index of the right choice: a number counts from 0; a text is a label, or a letter where there are no labels. */
function answerIndex(record: Fields, { labels, texts }: Choices): number {
  const field = record['answer'] === undefined ? 'answerKey' : 'answer';
  const answer = record[field];
  if (answer === undefined) throw new Error('"answer" (or "answerKey") is missing');
  const where = `"${field}" ${JSON.stringify(answer)}`;
  if (typeof answer === 'number') {
    if (Number.isInteger(answer) && answer >= 0 && answer < texts.length) return answer;
    throw new Error(`${where} is no index of one of ${texts.length} choices (0 is the first)`);
  }
  if (typeof answer !== 'string') throw new Error(`${where} is neither an index nor a letter`);
  const names = labels ?? [...LETTERS].slice(0, texts.length);
  const index = names.findIndex((name) => name.toUpperCase() === answer.trim().toUpperCase());
  if (index < 0) throw new Error(`${where} is none of ${names.join(', ')}`);
  return index;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item.trim() !== '');
}

export const multipleChoice: FileTask = {
  name: 'multiple-choice',
  title: 'Multiple choice',
  description: 'Questions with lettered choices, from a file in the layout of MMLU or CommonsenseQA.',
  dialect: 'chat',
  lineFormat: '{"question", "choices", "answer"} with the index (from 0) or the letter of the right choice',
  exampleLine: '{"question": "What is the capital of France?", "choices": ["Rome", "Paris"], "answer": 1}',
  readProblem,
  problems: withoutProblems('multiple-choice'),
  ...chatPrompts('the letter of one choice'),
  extractAnswer: chosenLetter,
  equal: (a, b) => a === b,
};
