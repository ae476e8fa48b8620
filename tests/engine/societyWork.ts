/** What a society asks of an engine, in small: adapters, generation, training with a checkpoint's reading, copies, scores. */
import {
  DEFAULT_OPTIMISER,
  type AdapterWeights,
  type Engine,
  type GenerateRequest,
  type GenerateResult,
  type OptimiserState,
  type TrainJob,
  type TrainStepEvent,
} from '../../src/engine/types';
import type { Golden } from './golden';

export interface WorkRecord {
  results: GenerateResult[];
  /** Ids of each row as they were reported, and how often its end was. */
  told: number[][];
  ended: number[];
  steps: TrainStepEvent[];
  scores: Float32Array[];
  loss: number;
  adapters: Record<string, AdapterWeights>;
  states: Record<string, OptimiserState | null>;
}

export function workRequests(golden: Golden, count: number): GenerateRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    ids: Array.from(golden.sequences[i % golden.sequences.length]!.ids).slice(0, 3 + (i % 4)),
    adapter: [null, 'a', 'b'][i % 3] as string | null,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 2 + ((i * 3) % 5), stopIds: [] },
    key: { seed: 7, stream: 1, iteration: 1, agent: i % 3, problem: i, round: 2 },
  }));
}

export function workJob(golden: Golden): TrainJob {
  return {
    objective: 'sft',
    tracks: [
      { adapter: 'a', examples: golden.sequences, batches: [[0, 1], [2], [3, 4], [1], [0, 2]] },
      { adapter: 'b', examples: golden.sequences.slice(1), batches: [[3], [0, 1], [2]] },
    ],
    optimiser: { ...DEFAULT_OPTIMISER, lr: 1e-2, schedule: 'cosine', clip: 1 },
  };
}

/** Does the work; `at` is told where it stands. */
export async function doWork(engine: Engine, golden: Golden): Promise<WorkRecord> {
  const told: number[][] = [];
  const ended: number[] = [];
  await engine.createAdapter('a', { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] }, 5);
  await engine.importAdapter('b', golden.adapter2);
  await engine.importAdapter('gone', golden.adapter);
  await engine.deleteAdapter('gone');
  const results = await engine.generate(workRequests(golden, 6), {
    onTokens: (row, ids) => (told[row] ??= []).push(...ids),
    onRow: (row) => (ended[row] = (ended[row] ?? 0) + 1),
  });
  const steps: TrainStepEvent[] = [];
  const adapters: WorkRecord['adapters'] = {};
  const states: WorkRecord['states'] = {};
  for await (const event of engine.train(workJob(golden))) {
    steps.push(event);
    if (event.step !== 2) continue;
    // In the middle of the training, past its last checkpoint.
    adapters['a after three steps'] = await engine.exportAdapter('a');
    states['a after three steps'] = await engine.optimiserState('a');
    results.push(...(await engine.generate(workRequests(golden, 2).slice(1))));
  }
  await engine.copyAdapter('a', 'copy');
  const sequences = golden.sequences.slice(0, 2);
  const scores = await engine.score(sequences.map(({ ids }, i) => ({ ids, adapter: ['b', 'copy'][i] as string })));
  const { loss } = await engine.gradients({ adapter: 'copy', examples: sequences, batches: [[0, 1]] });
  for (const id of engine.adapters()) {
    adapters[id] = await engine.exportAdapter(id);
    states[id] = await engine.optimiserState(id);
  }
  return { results, told, ended, steps, scores, loss, adapters, states };
}
