/** The settings that every recipe has. */
import { RUN_LIMITS } from '../engine/limits';
import { CACHE_DTYPES, WEIGHT_DTYPES } from '../engine/types';
import { TASKS } from '../tasks';
import { choice, integer, names, number, orNone, projections, sha256, text } from './readers';
import { seatList } from './seats';
import { steps, type SettingTable } from './settings';

const PROBLEMS = steps(1, 3, 6, 12, 24, 50, 80, 100, 200, 400, 500, 1000);

export const SHARED_SETTINGS = {
  model: { reader: text(), label: 'Model', line: 'Folder, repository or embedded model that plays the agents.' },
  ignoreConfig: {
    reader: names(),
    label: 'Ignored keys',
    line: 'Keys of the model’s config.json that are ignored although their meaning is unknown.',
    absent: null,
  },
  dtype: {
    reader: choice(...WEIGHT_DTYPES),
    label: 'Weights',
    line: 'How the frozen model is kept on the GPU. Fewer bits take less memory and answer sooner, a little less exactly.',
    steps: [
      { value: 'int4', label: '4 bits (int4)' },
      { value: 'int8', label: '8 bits (int8)' },
      { value: 'f16', label: '16 bits (f16)' },
      { value: 'f32', label: '32 bits (f32)' },
    ],
    section: 'main',
    absent: 'f32',
  },
  cache: {
    reader: choice('auto', ...CACHE_DTYPES),
    label: 'Keys and values',
    line: 'Format of the keys and values of generation. auto follows the arithmetic of the device.',
    section: 'expert',
    absent: 'auto',
  },
  task: { reader: choice(...TASKS.map((task) => task.name)), label: 'Task', line: 'What the problems are.' },
  'data.name': { reader: text(), label: 'File of problems', line: 'Base name of the file.', absent: null },
  'data.sha256': { reader: sha256(), label: 'Hash of the file', line: 'The sha-256 of its bytes.', absent: null },
  seats: {
    reader: seatList(),
    label: 'Other runtimes',
    line: 'Who is played by another runtime than the engine: 2=transformers:MODEL, 3=web-llm:ID, 4=endpoint:ADDRESS#MODEL.',
    absent: null,
  },
  seed: {
    reader: integer(0, Number.MAX_SAFE_INTEGER),
    label: 'Seed',
    line: 'Every random draw is derived from it. The same seed gives the same run.',
  },
  iterations: {
    reader: integer(0, RUN_LIMITS.iterations.max),
    label: 'Iterations',
    symbol: 'L',
    line: 'How often the agents answer, learn and are tested.',
    steps: steps(1, 2, 3, 5, 8),
    section: 'main',
    paper: 5,
  },
  trainProblems: {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Training problems',
    line: 'Answered in each iteration to learn from.',
    steps: PROBLEMS,
    section: 'main',
    paper: 500,
  },
  evaluationProblems: {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Held-out problems',
    line: 'For testing only. Many make small gains visible.',
    steps: PROBLEMS,
    section: 'main',
    paper: 500,
  },
  problems: {
    reader: choice('same', 'fresh'),
    label: 'Problems of each iteration',
    line: 'New ones cannot be learnt by heart.',
    steps: [
      { value: 'same', label: 'the same' },
      { value: 'fresh', label: 'new ones' },
    ],
    section: 'expert',
    paper: 'same',
  },
  'sampling.temperature': {
    reader: number(0, 100),
    label: 'Temperature',
    line: 'Chance in the answers. Without it all agents would say the same.',
    steps: steps(0.3, 0.5, 0.7, 1, 1.3, 2),
    section: 'expert',
    paper: 1,
  },
  'sampling.topK': {
    reader: integer(0, 1_000_000),
    label: 'Top-k',
    line: 'Tokens that a draw chooses from, the most probable first. 0 = all.',
    section: 'expert',
  },
  'sampling.topP': {
    reader: number(0, 1, 'above'),
    label: 'Top-p',
    line: 'Share of the probability that a draw chooses from, the most probable tokens first. 1 = all.',
    section: 'expert',
  },
  'sampling.maxTokens': {
    reader: integer(1, RUN_LIMITS.responseTokens.max),
    label: 'Longest response',
    line: 'In tokens. What is cut off has no answer; longer ones need more memory. The paper’s code allows 2,048.',
    steps: steps(8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048),
    section: 'expert',
    chat: true,
  },
  'adapter.rank': {
    reader: integer(1, RUN_LIMITS.rank.max),
    label: 'Adapter rank',
    line: 'Width of the LoRA adapters. The paper has none: it copies the whole model.',
    steps: steps(2, 4, 8, 16, 32),
    section: 'expert',
  },
  'adapter.alpha': {
    reader: number(0, 1e6, 'above'),
    label: 'Adapter alpha',
    line: 'The adapter’s part of a product is scaled by alpha / rank.',
    section: 'expert',
  },
  'adapter.targets': {
    reader: projections(),
    label: 'Adapted projections',
    line: 'Matrices of each layer that get an adapter.',
    section: 'expert',
  },
  'finetune.lr': {
    reader: number(0, 10),
    label: 'Learning rate',
    line: 'The paper finetunes all weights (about 1e−5); LoRA needs far more.',
    steps: steps(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.01),
    section: 'expert',
  },
  'finetune.schedule': {
    reader: choice('constant', 'linear', 'cosine'),
    label: 'Learning rate over time',
    line: 'How the rate falls over the steps of an iteration.',
    section: 'expert',
  },
  'finetune.warmup': {
    reader: number(0, 1),
    label: 'Warm-up',
    line: 'Share of the longest track’s steps over which the rate rises, in every track.',
    section: 'expert',
  },
  'finetune.epochs': {
    reader: integer(1, RUN_LIMITS.epochs.max),
    label: 'Epochs',
    line: 'Passes over the examples in each iteration.',
    steps: steps(1, 2, 3, 4, 8),
    section: 'expert',
    paper: 2,
  },
  'finetune.batchSize': {
    reader: integer(1, RUN_LIMITS.batch.max),
    label: 'Batch size',
    line: 'Examples of an adapter in one optimiser step.',
    section: 'expert',
  },
  'finetune.clip': {
    reader: orNone(number(0, 1e9, 'above')),
    label: 'Gradient clipping',
    line: 'Largest norm of an adapter’s gradient.',
    section: 'expert',
  },
  chunk: {
    reader: integer(1, RUN_LIMITS.problems.max),
    label: 'Problems at once',
    line: 'Problems in one unit of work. Up to four units are asked together, so a crash loses at most four times as many. It changes no result.',
    section: 'expert',
  },
} as const satisfies SettingTable;
