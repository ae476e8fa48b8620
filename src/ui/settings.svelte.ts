/** The settings of the next run. A run at work has its own copy, so changing these never disturbs it. */
import type { EngineChoice } from '../lab/types';
import type { ExperimentConfig } from '../recipes/config';
import { PRESETS } from '../recipes/presets';
import { resolveConfig } from '../recipes/resolve';

const FIRST_PRESET = 'arithmetic-quick';

export class Settings {
  preset = $state(FIRST_PRESET);
  seed = $state(1);
  agents = $state(3);
  rounds = $state(2);
  iterations = $state(3);
  trainProblems = $state(0);
  evaluationProblems = $state(0);
  singleAgentBaseline = $state(true);
  engine = $state<EngineChoice>('auto');

  constructor() {
    this.usePreset(FIRST_PRESET);
  }

  /** Takes over everything of a preset but the seed. */
  usePreset(name: string): void {
    const config = PRESETS[name]?.config;
    if (!config) return;
    this.preset = name;
    this.agents = config.agents;
    this.rounds = config.rounds;
    this.iterations = config.iterations;
    this.trainProblems = config.trainProblems;
    this.evaluationProblems = config.evaluationProblems;
    this.singleAgentBaseline = config.singleAgentBaseline;
  }

  throwDice(): void {
    this.seed = crypto.getRandomValues(new Uint32Array(1))[0]! % 100_000;
  }

  /** The configuration, or why there is none. */
  get config(): { ok: ExperimentConfig; problem: null } | { ok: null; problem: string } {
    const { seed, agents, rounds, iterations, trainProblems, evaluationProblems, singleAgentBaseline } = this;
    const minimumVotes = Math.min(PRESETS[this.preset]?.config.minimumVotes ?? 1, agents);
    try {
      const ok = resolveConfig(this.preset, {
        seed: seed ?? '',
        agents,
        rounds,
        iterations,
        trainProblems: trainProblems ?? '',
        evaluationProblems: evaluationProblems ?? '',
        singleAgentBaseline,
        minimumVotes,
      });
      return { ok, problem: null };
    } catch (error) {
      return { ok: null, problem: error instanceof Error ? error.message : String(error) };
    }
  }
}
