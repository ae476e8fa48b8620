/** Models that are known to fit this lab. Any other Llama-, Qwen2- or Qwen3-shaped repository can be named too. */
import type { ModelConfig } from '../engine/types';

export interface CatalogueEntry {
  /** `owner/name` on the hub. */
  repo: string;
  /** For people. */
  title: string;
  architecture: ModelConfig['modelType'];
  /** Parameters, a tied head counted once. */
  parameters: number;
  /** Of model.safetensors, for a first idea; the exact bytes are looked up. Qwen3's has the tied head twice. */
  weightBytes: number;
  /** Whether the licence has to be accepted on the hub, and a token given. */
  gated: boolean;
  licence: string;
}

/** Smallest first. Revisions are resolved to commits when a download begins; sizes are what the hub says then. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    repo: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    title: 'SmolLM2 135M Instruct',
    architecture: 'llama',
    parameters: 134_515_008,
    weightBytes: 269_060_552,
    gated: false,
    licence: 'Apache 2.0',
  },
  {
    repo: 'HuggingFaceTB/SmolLM2-360M-Instruct',
    title: 'SmolLM2 360M Instruct',
    architecture: 'llama',
    parameters: 361_821_120,
    weightBytes: 723_674_912,
    gated: false,
    licence: 'Apache 2.0',
  },
  {
    repo: 'Qwen/Qwen2.5-0.5B-Instruct',
    title: 'Qwen2.5 0.5B Instruct',
    architecture: 'qwen2',
    parameters: 494_032_768,
    weightBytes: 988_097_824,
    gated: false,
    licence: 'Apache 2.0',
  },
  {
    repo: 'Qwen/Qwen3-0.6B',
    title: 'Qwen3 0.6B',
    architecture: 'qwen3',
    parameters: 596_049_920,
    weightBytes: 1_503_300_328,
    gated: false,
    licence: 'Apache 2.0',
  },
  {
    repo: 'meta-llama/Llama-3.2-1B-Instruct',
    title: 'Llama 3.2 1B Instruct',
    architecture: 'llama',
    parameters: 1_235_814_400,
    weightBytes: 2_471_645_608,
    gated: true,
    licence: 'Llama 3.2 Community',
  },
];
