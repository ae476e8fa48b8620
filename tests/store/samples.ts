/** Small logs and records for the store's tests. */
import { readFileSync } from 'node:fs';
import type { AdapterWeights } from '../../src/engine/types';
import type { AdapterVersion, EvaluationDone, RunEvent, RunStarted } from '../../src/events';
import { multiagentFinetuning } from '../../src/recipes/multiagentFinetuning';
import type { Config } from '../../src/recipes/societySettings';
import type { RunRecord } from '../../src/store/types';

export function sampleConfig(changes: Partial<Config> = {}): Config {
  return {
    recipe: 'multiagent-finetuning',
    preset: 'arithmetic-tiny',
    model: 'arithmetic-0.4m',
    task: 'arithmetic',
    seed: 7,
    agents: 3,
    rounds: 2,
    iterations: 2,
    trainProblems: 6,
    evaluationProblems: 5,
    problems: 'same',
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 64 },
    criticShare: 0.5,
    minimumVotes: 2,
    startFrom: 'current',
    adapter: { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
    finetune: { lr: 3e-3, schedule: 'linear', warmup: 0, epochs: 2, batchSize: 4, clip: 1 },
    singleAgentBaseline: true,
    chunk: 2,
    ...changes,
  };
}

export function sampleRecord(id = 'a-run', changes: Partial<RunRecord> = {}): RunRecord {
  return {
    schema: 1,
    id,
    name: `name of ${id}`,
    created: 1_000,
    updated: 1_000,
    config: sampleConfig(),
    status: 'running',
    error: null,
    progress: 0,
    events: 0,
    digest: '',
    engine: '',
    ...changes,
  };
}

export function sampleStart(config = sampleConfig()): RunStarted {
  return {
    type: 'run-started',
    format: 2,
    recipe: { id: config.recipe, revision: 1 },
    preset: { id: config.preset, revision: 1 },
    task: { id: config.task, revision: 1 },
    config,
    model: { name: 'scripted', hash: '00' },
    engine: 'scripted',
    arithmetic: 1,
    build: '0.0.0',
    ...multiagentFinetuning.cast(config),
  };
}

export function sampleEvaluation(iteration: number): EvaluationDone {
  const score = { calls: 1, turns: [0], right: 2, unreadable: 0, n: 3, correct: '110' };
  return {
    type: 'evaluation',
    iteration,
    learner: 'base',
    scores: ['single', 'majority', 'debate'].map((method) => ({ method, ...score })),
    layers: [{ seats: [{ right: 2, unreadable: 0 }], consensus: 0.5, distinctAnswers: 2, distinctTexts: 3 }],
  };
}

/** An adapter as a training job left it. */
export function sampleVersion(iteration = 1, job = `finetune/${iteration}`): AdapterVersion {
  return { type: 'adapter', iteration, adapter: 'generator-0', hash: 'ab'.repeat(32), from: { job, steps: 3 } };
}

export const sampleEvents: RunEvent[] = [sampleStart(), sampleVersion(), sampleEvaluation(0), sampleEvaluation(1)];

export function sampleAdapter(value = 1): AdapterWeights {
  return {
    config: { rank: 2, alpha: 4, targets: ['q_proj'] },
    tensors: new Map([
      ['base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', { shape: [2, 3], data: filled(6, value) }],
      ['base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', { shape: [4, 2], data: filled(8, -value) }],
    ]),
  };
}

function filled(length: number, value: number): Float32Array {
  return new Float32Array(length).fill(value);
}

/** Recorded with the first version of the log format: a log without its ending, and the results that were computed then. */
export const FORMAT_1 = 'tests/fixtures/logs/format1/arithmetic-tiny';

/** A finished run as that version stored it. */
export function firstFormatRun(id: string): { lines: string[]; record: RunRecord } {
  const lines = readFileSync(`${FORMAT_1}.jsonl`, 'utf8').trimEnd().split('\n');
  const digests = JSON.parse(readFileSync('tests/fixtures/logs/format1/digests.json', 'utf8')) as Record<
    string,
    string
  >;
  const { config } = JSON.parse(lines[0] as string) as { config: RunRecord['config'] };
  const digest = digests['arithmetic-tiny'] as string;
  const engine = 'reference: TypeScript, 32-bit';
  const record = sampleRecord(id, { config, status: 'finished', progress: 1, events: lines.length, digest, engine });
  return { lines, record };
}
