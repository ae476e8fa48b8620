/** Small logs and records for the store's tests. */
import type { AdapterWeights } from '../../src/engine/types';
import type { EvaluationDone, RunEvent } from '../../src/events';
import type { ExperimentConfig } from '../../src/recipes/config';
import type { RunRecord } from '../../src/store/types';

export function sampleConfig(changes: Partial<ExperimentConfig> = {}): ExperimentConfig {
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

export function sampleEvaluation(iteration: number): EvaluationDone {
  const score = { right: 2, unreadable: 0, n: 3, correct: '110' };
  return {
    type: 'evaluation',
    iteration,
    team: 'base',
    single: score,
    majority: score,
    debate: score,
    perAgent: [[{ right: 2, unreadable: 0 }]],
    consensus: [0.5],
    distinctAnswers: [2],
    distinctTexts: 3,
  };
}

export const sampleEvents: RunEvent[] = [
  { type: 'iteration-started', iteration: 1 },
  {
    type: 'adapter-updated',
    iteration: 1,
    adapter: 'generator-0',
    steps: 3,
    hash: 'ab'.repeat(32),
  },
  sampleEvaluation(0),
  sampleEvaluation(1),
];

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
