/**
 * Bounds on numbers from files that allocate or loop: one table, checked before anything is allocated. A number above its bound is a
 * fault of the file, or belongs to something that no browser and no workstation holds.
 */
import { PolylogueError } from './errors';

export interface Limit {
  /** The largest value that passes. */
  max: number;
  /** What is counted, in the plural. */
  of: string;
  /** What to do about a larger one. */
  advice: string;
}

const OTHER_MODEL = 'choose another copy of the model; this one is damaged or no model that this lab runs';
const OTHER_ADAPTER = 'export the adapter again, or choose another one';

/** Of a model's files. The largest dense models that are published stay below a quarter of each. */
export const MODEL_LIMITS = {
  /** Llama 3.1 405B has 126. */
  layers: { max: 1024, of: 'layers', advice: OTHER_MODEL },
  /** Llama 3.1 405B has 16,384. */
  hidden: { max: 65_536, of: 'values in a hidden state', advice: OTHER_MODEL },
  /** Llama 3.1 405B has 53,248. */
  intermediate: { max: 262_144, of: 'values inside an MLP', advice: OTHER_MODEL },
  /** Llama 3.1 405B has 128. */
  heads: { max: 1024, of: 'attention heads', advice: OTHER_MODEL },
  /** 64 to 256 are usual. */
  headDim: { max: 1024, of: 'values in a head', advice: OTHER_MODEL },
  /** Gemma and mT5 have some 260,000. */
  vocabulary: { max: 1 << 20, of: 'tokens in a vocabulary', advice: OTHER_MODEL },
  /** Qwen2.5-1M has 1,010,000, Llama 4 Scout 10,485,760. */
  positions: { max: 1 << 24, of: 'positions', advice: OTHER_MODEL },
  /** End tokens of a configuration. */
  endTokens: { max: 1024, of: 'end tokens', advice: OTHER_MODEL },
  /** Llama 3.1 405B has 191 shards. */
  shards: { max: 1024, of: 'weight files', advice: OTHER_MODEL },
  /** Llama 3.1 405B has 1,138 tensors. */
  tensors: { max: 65_536, of: 'tensors in a file or an index', advice: OTHER_MODEL },
  /** The format allows 100 MB; the header of 65,536 tensors takes about 8 MiB. */
  headerBytes: { max: 16 << 20, of: 'bytes of header', advice: OTHER_MODEL },
  /** Each of config.json, generation_config.json and the index of shards. */
  jsonBytes: { max: 16 << 20, of: 'bytes of JSON', advice: OTHER_MODEL },
  /** Of a file that is read as a whole and is no adapter; the largest tokenizers take some 40 MB. */
  textBytes: { max: 256 << 20, of: 'bytes of text', advice: OTHER_MODEL },
  /** Objects and lists inside each other in a JSON file. */
  jsonDepth: { max: 64, of: 'levels of JSON inside each other', advice: OTHER_MODEL },
  /** PEFT's published adapters have at most some 512. */
  rank: { max: 4096, of: 'columns of an adapter (its rank)', advice: OTHER_ADAPTER },
  /** A whole adapter is read into memory. */
  adapterBytes: { max: 2 ** 31 - 1, of: 'bytes of an adapter', advice: OTHER_ADAPTER },
} as const satisfies Record<string, Limit>;

/** Of any file on a disk that a person named. */
export const DISK_LIMITS = {
  /** As many bytes as Node reads in one piece. */
  wholeFile: { max: 2 ** 31 - 1, of: 'bytes in a file that is read as a whole', advice: 'give a smaller one' },
} as const satisfies Record<string, Limit>;

const OTHER_HUB = 'see that the address of the hub is right';
const OTHER_FILE = 'split the file, or take fewer problems';

/** Of what a hub says and sends. */
export const HUB_LIMITS = {
  /** Answer about a repository; of 10,000 files it takes about 4 MB. */
  answerBytes: { max: 64 << 20, of: 'bytes of an answer about a repository', advice: OTHER_HUB },
  /** The hub advises against more than 100,000 files in a repository. */
  listedFiles: { max: 100_000, of: 'files in a repository', advice: OTHER_MODEL },
  /** The hub holds no file above 500 GB. */
  fileBytes: { max: 500_000_000_000, of: 'bytes in a file', advice: OTHER_MODEL },
  /** Parts in which a file is stored: 500 GB in parts of 4 MiB are 119,210. */
  chunks: { max: 1 << 17, of: 'stored parts of a file', advice: 'delete the model and load it again' },
  /** Only what an error answer begins with is shown. */
  errorBytes: { max: 1 << 16, of: 'bytes of an error message', advice: OTHER_HUB },
  /** A page of 100 rows. */
  pageBytes: { max: 32 << 20, of: 'bytes of a page of rows', advice: 'load fewer rows' },
} as const satisfies Record<string, Limit>;

/** Of files of problems, from a disk or the hub. */
export const PROBLEM_LIMITS = {
  /** GSM8K has 4 MB, all of MMLU 8 MB. */
  fileBytes: { max: 64 << 20, of: 'bytes in a file of problems', advice: OTHER_FILE },
  /** Blank ones too. */
  lines: { max: 1_000_000, of: 'lines in a file of problems', advice: OTHER_FILE },
  /** More than most models' context. */
  recordLength: { max: 1 << 20, of: 'characters in one problem', advice: 'shorten the problem' },
  /** Of a CSV. */
  columns: { max: 1024, of: 'columns in a CSV', advice: 'leave out columns' },
  /** As many as a run may train on. */
  problems: { max: 100_000, of: 'problems', advice: OTHER_FILE },
} as const satisfies Record<string, Limit>;

const SMALLER_RUN = 'choose fewer';

/** Of a run's settings, which come from forms, links and files: each alone, and what they make together. */
export const RUN_LIMITS = {
  /** The paper has 3 and 5. */
  agents: { max: 64, of: 'agents', advice: SMALLER_RUN },
  /** The paper has 2. */
  rounds: { max: 16, of: 'rounds', advice: SMALLER_RUN },
  /** The paper has 5. */
  iterations: { max: 1000, of: 'iterations', advice: SMALLER_RUN },
  /** For training and held out, each; the paper has 500. */
  problems: { max: 100_000, of: 'problems', advice: SMALLER_RUN },
  /** Of one response; more than most models' context. */
  responseTokens: { max: 32_768, of: 'tokens in a response', advice: SMALLER_RUN },
  rank: { max: 1024, of: 'columns of an adapter (its rank)', advice: SMALLER_RUN },
  epochs: { max: 1000, of: 'epochs', advice: SMALLER_RUN },
  batch: { max: 4096, of: 'sequences in a batch', advice: SMALLER_RUN },
  /** With summaries by a model. The paper's runs have some 100,000; a log takes about a kilobyte for each. */
  responses: {
    max: 10_000_000,
    of: 'responses in all',
    advice: 'lower agents, rounds, iterations, trainProblems or evaluationProblems: they multiply',
  },
  /** In all tracks and epochs. The paper's runs have some 100,000. */
  trainedSequences: {
    max: 100_000_000,
    of: 'sequences to train on in all',
    advice: 'lower finetune.epochs, agents, iterations or trainProblems: they multiply',
  },
} as const satisfies Record<string, Limit>;

/**
 * What is wrong with a count from a file; null when it is within its bound.
 * @param count a whole number
 */
export function aboveLimit(count: number, { max, of, advice }: Limit): string | null {
  if (count <= max) return null;
  return `${count.toLocaleString('en')} ${of} are above the limit of ${max.toLocaleString('en')}; ${advice}`;
}

/**
 * Checks a count from a file before anything is allocated for it.
 * @param make the error to throw: it knows the file
 */
export function checkLimit(count: number, limit: Limit, make: (problem: string) => PolylogueError): void {
  const problem = aboveLimit(count, limit);
  if (problem !== null) throw make(problem);
}
