/**
 * Data sets as TRL reads them (https://huggingface.co/docs/trl/dataset_formats): JSON lines, the columns that a job's objective needs
 * first, then where the line comes from.
 */
import type { RunEvent } from '../../events';
import type { ChatMessage } from '../../tasks/types';
import { pathParts } from './names';
import { startOf, trainingSets, type SetExample, type TrainingSet } from './sets';

/** How plain finetuning is written: prompt and completion apart (TRL then learns the completion alone), or one list of messages. */
export const SFT_SHAPES = ['prompt-completion', 'messages'] as const;
export type SftShape = (typeof SFT_SHAPES)[number];

/** Text files by their path; folders have slashes. */
export type TextFiles = Record<string, string>;

interface Texts {
  messages?: ChatMessage[];
  prompt?: ChatMessage[];
  completion?: ChatMessage[];
  label?: boolean;
  chosen?: ChatMessage[];
  rejected?: ChatMessage[];
}

/** A line, in the order of its columns. */
export interface TrlLine extends Texts {
  problem: number;
  kind: string;
  /** Answer of the episode's last vote; null where nobody voted, or nothing could be read. */
  vote: string | null;
  iteration: number;
  /** Adapter that learns. */
  agent: string;
  job: string;
  /** Agent whose turn it is. */
  said_by: string;
  /** Of the loss; negative makes the text less probable. */
  weight: number;
  /** Weight of each token of the completion beside it, its end included. */
  token_weights?: number[];
  /** The text was cut at its length limit: the run learnt no end behind it. */
  cut: boolean;
}

/**
 * Every data set of a log as a file, with one file for all of each objective, and a page that says what the columns are.
 * @throws ExportError, TaskError where the texts cannot be rebuilt
 */
export function trlFiles(events: readonly RunEvent[], shape: SftShape = 'prompt-completion'): TextFiles {
  const sets = trainingSets(events);
  const paths = setPaths(sets);
  const files: TextFiles = { 'README.md': readme(events, sets, shape) };
  sets.forEach((set, at) => (files[paths[at] as string] = jsonLines(set, shape)));
  for (const kind of new Set(sets.map(({ objective }) => objective.kind))) {
    const alike = sets.filter(({ objective }) => objective.kind === kind);
    files[`all-${kind}.jsonl`] = alike.map((set) => jsonLines(set, shape)).join('');
  }
  return files;
}

/** A path for each data set: the iteration, the adapter, and the job where the adapter learnt in several. */
export function setPaths(sets: readonly Pick<TrainingSet, 'iteration' | 'adapter' | 'job'>[]): string[] {
  const jobsOf = ({ adapter, iteration }: (typeof sets)[number]) =>
    sets.filter((other) => other.adapter === adapter && other.iteration === iteration).length;
  const names = sets.map((set) => (jobsOf(set) > 1 ? `${set.adapter} ${set.job}` : set.adapter));
  return sets.map(({ iteration }, at) => {
    const here = names.filter((_, other) => sets[other]?.iteration === iteration);
    return `iteration-${iteration}/${pathParts(here).get(names[at] as string)}.jsonl`;
  });
}

/** One line an example. */
export function jsonLines(set: TrainingSet, shape: SftShape = 'prompt-completion'): string {
  return trlLines(set, shape)
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

export function trlLines({ iteration, job, adapter, objective, examples }: TrainingSet, shape: SftShape): TrlLine[] {
  return examples.map((example) => ({
    ...textsOf(objective.kind, example, shape),
    problem: example.problem.id,
    kind: example.ref.kind,
    vote: example.vote?.answer ?? null,
    iteration,
    agent: adapter,
    job,
    said_by: example.turn.agent,
    weight: example.weight ?? 1,
    ...(example.tokenWeights && { token_weights: example.tokenWeights }),
    cut: example.cut === true,
  }));
}

function textsOf(kind: TrainingSet['objective']['kind'], example: SetExample, shape: SftShape): Texts {
  const { messages: prompt, completion, rejected, weight = 1 } = example;
  const said = [answer(completion)];
  if (rejected) return { prompt, chosen: said, rejected: [answer(rejected.completion)] };
  if (kind === 'kto') return { prompt, completion: said, label: weight > 0 };
  return shape === 'messages' ? { messages: [...prompt, ...said] } : { prompt, completion: said };
}

function answer(content: string): ChatMessage {
  return { role: 'assistant', content };
}

const COLUMNS = `| column | what it is |
| --- | --- |
| \`prompt\`, \`completion\` | plain finetuning (SFT) and KTO: messages; the loss is on the completion alone |
| \`label\` | KTO: is the completion wanted? |
| \`prompt\`, \`chosen\`, \`rejected\` | DPO and reward models: messages |
| \`messages\` | plain finetuning, where it was asked for in this shape: prompt and answer in one list |
| \`problem\` | id of the problem in the run |
| \`kind\` | what the method calls such an example |
| \`vote\` | answer of the last vote on the problem |
| \`iteration\`, \`job\` | when it was learnt, and in which training job |
| \`agent\` | the adapter that learnt it |
| \`said_by\` | the agent that said it |
| \`weight\` | weight of its loss; a negative one makes the text less probable |
| \`token_weights\` | weight of each sampled token of the completion beside that, its end included, where tokens have their own |
| \`cut\` | the text was cut at its length limit: the run learnt no end behind it |`;

function readme(events: readonly RunEvent[], sets: readonly TrainingSet[], shape: SftShape): string {
  const { config, model } = startOf(events);
  const paths = setPaths(sets);
  const rows = sets.map(
    ({ iteration, adapter, job, objective, examples }, at) =>
      `| ${[paths[at], iteration, plain(adapter), plain(job), objective.kind, examples.length].join(' | ')} |`,
  );
  return [
    '# Data sets of a run',
    '',
    `Recipe ${plain(config.recipe)}, preset ${plain(config.preset)}, seed ${config.seed}, model ${plain(model.name)}.`,
    `Plain finetuning is written as ${shape}. A file \`all-….jsonl\` holds the lines of all agents with one objective.`,
    'The run learnt the tokens that were sampled; another tokenizer may split the texts otherwise.',
    '',
    '| file | iteration | adapter | job | objective | examples |',
    '| --- | ---: | --- | --- | --- | ---: |',
    ...rows,
    '',
    '## Columns',
    '',
    COLUMNS,
    '',
  ].join('\n');
}

/** A name within a table of Markdown. */
export function plain(text: string): string {
  return text.replace(/[\s|`<>[\]\\]+/g, ' ').trim();
}
