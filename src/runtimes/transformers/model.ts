/** A model in ONNX, run by transformers.js, whose draws are the lab's own: a logits processor chooses each token by the name of its draw. */
import type { PreTrainedModel } from '@huggingface/transformers';
import { logProbability } from '../../engine/reference/crossEntropy';
import { argmax, sampleToken } from '../../engine/reference/sampler';
import type { GenerateRequest, GenerateResult } from '../../engine/types';
import { MODEL_NAME, type TransformersLibrary } from './library';

export interface OnnxShape {
  vocabSize: number;
  /** Longest sequence. */
  maxPositions: number;
  eosIds: number[];
}

export interface OnnxOptions {
  device: 'wasm' | 'webgpu';
  dtype: string;
}

/** Settings of a model's generation_config.json that would change its logits before they are looked at. */
const AS_THEY_ARE = {
  do_sample: false,
  num_beams: 1,
  repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  guidance_scale: null,
  bad_words_ids: null,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  min_length: 0,
  min_new_tokens: null,
} as const;

export interface GenerateWatch {
  /** Ids of a row, as they are sampled. */
  onToken?: (row: number, id: number) => void;
  /** Is asked before each step: stop? */
  stopped?: () => boolean;
}

/** What generating was told to stop with. */
export class StoppedByCaller extends Error {}

export class OnnxModel {
  private constructor(
    private readonly library: TransformersLibrary,
    private readonly model: PreTrainedModel,
    readonly shape: OnnxShape,
  ) {}

  /** @throws whatever the library throws: see `errors.ts` beside this file */
  static async load(library: TransformersLibrary, { device, dtype }: OnnxOptions): Promise<OnnxModel> {
    const model = await library.AutoModelForCausalLM.from_pretrained(MODEL_NAME, {
      device,
      dtype: dtype as 'fp32',
      local_files_only: true,
    });
    return new OnnxModel(library, model, shapeOf(model));
  }

  /** One batch, padded at its left. Rows do not depend on their company where the model's operators keep them apart. */
  async generate(requests: readonly GenerateRequest[], watch: GenerateWatch = {}): Promise<GenerateResult[]> {
    const { library, model } = this;
    const { Tensor, LogitsProcessorList, StoppingCriteriaList } = library;
    const rows = new Rows(requests, watch);
    const width = Math.max(...requests.map(({ ids }) => ids.length));
    const ids = new BigInt64Array(requests.length * width);
    const mask = new BigInt64Array(requests.length * width);
    requests.forEach((request, row) => {
      const from = (row + 1) * width - request.ids.length;
      for (let at = 0; at < request.ids.length; at++) ids[from + at] = BigInt(request.ids[at] as number);
      mask.fill(1n, from, (row + 1) * width);
    });
    const processors = new LogitsProcessorList();
    processors.push(keyed(library, rows));
    const criteria = new StoppingCriteriaList();
    criteria.push(ended(library, rows));
    const shape = [requests.length, width];
    await model.generate({
      inputs: new Tensor('int64', ids, shape),
      attention_mask: new Tensor('int64', mask, shape),
      ...AS_THEY_ARE,
      max_new_tokens: Math.max(...requests.map(({ sampling }) => sampling.maxTokens)),
      logits_processor: processors,
      stopping_criteria: criteria,
    } as unknown as Parameters<PreTrainedModel['generate']>[0]);
    return rows.results;
  }

  /**
   * What the model makes of tokens that are given: the log-probability of each, and its margin as `Question.given` has it. One text at a
   * time, so company changes nothing.
   * @param ids prompt and response [T] @param start where the response begins, above 0
   */
  async read(ids: readonly number[], start: number): Promise<ReadTokens> {
    const { Tensor } = this.library;
    const shape = [1, ids.length];
    const whole = BigInt64Array.from(ids, BigInt);
    const outputs = (await (this.model as unknown as (inputs: object) => Promise<Record<string, OutputTensor>>)({
      input_ids: new Tensor('int64', whole, shape),
      attention_mask: new Tensor(
        'int64',
        whole.map(() => 1n),
        shape,
      ),
    })) as { logits: OutputTensor } & Record<string, OutputTensor>;
    try {
      const { data, dims } = outputs.logits;
      const [, rows = 0, vocabulary = 0] = dims;
      if (!(data instanceof Float32Array) || rows !== ids.length)
        throw new Error('its logits are no 32-bit numbers of every token');
      const read: ReadTokens = { logprobs: [], margins: [] };
      for (let at = start; at < ids.length; at++) {
        // The logits at a place are of the token behind it.
        const row = data.subarray((at - 1) * vocabulary, at * vocabulary);
        const [id, best] = [ids[at] as number, argmax(row)];
        const logprob = logProbability(row, 0, vocabulary, id);
        read.logprobs.push(logprob);
        read.margins.push(id === best ? 0 : logprob - logProbability(row, 0, vocabulary, best));
      }
      return read;
    } finally {
      for (const tensor of Object.values(outputs)) tensor.dispose?.();
    }
  }

  async dispose(): Promise<void> {
    await this.model.dispose();
  }
}

/** Of each token that was given. */
export interface ReadTokens {
  logprobs: number[];
  margins: number[];
}

interface OutputTensor {
  data: unknown;
  dims: number[];
  dispose?(): void;
}

/** What has become of each row. */
class Rows {
  readonly results: GenerateResult[];
  private readonly over: boolean[];

  constructor(
    private readonly requests: readonly GenerateRequest[],
    private readonly watch: GenerateWatch,
  ) {
    this.results = requests.map(() => ({ ids: [], logprobs: [], margins: [], finish: 'length' }));
    this.over = requests.map(() => false);
  }

  /** Chooses the next token of every row from logits [B, V], in place: all others become impossible. */
  choose(logits: Float32Array, vocabulary: number): void {
    if (this.watch.stopped?.()) throw new StoppedByCaller('stopped');
    this.requests.forEach(({ sampling, key }, row) => {
      const result = this.results[row] as GenerateResult;
      let id = 0;
      if (!this.over[row]) {
        const drawn = sampleToken(logits, row, vocabulary, sampling, key, result.ids.length);
        id = drawn.id;
        result.ids.push(id);
        result.logprobs.push(drawn.logprob);
        result.margins.push(drawn.margin);
        if (sampling.stopIds.includes(id)) result.finish = 'stop';
        this.over[row] = result.finish === 'stop' || result.ids.length >= sampling.maxTokens;
        this.watch.onToken?.(row, id);
      }
      logits.fill(-Infinity, row * vocabulary, (row + 1) * vocabulary);
      logits[row * vocabulary + id] = 0;
    });
  }

  get ended(): boolean {
    return this.over.every(Boolean);
  }
}

function keyed({ LogitsProcessor }: TransformersLibrary, rows: Rows): InstanceType<typeof LogitsProcessor> {
  class KeyedDraws extends LogitsProcessor {
    override _call(_ids: bigint[][], logits: { dims: number[]; data: unknown }): unknown {
      if (!(logits.data instanceof Float32Array)) throw new Error('its logits are no 32-bit numbers');
      rows.choose(logits.data, logits.dims.at(-1) as number);
      return logits;
    }
  }
  return new KeyedDraws() as InstanceType<typeof LogitsProcessor>;
}

/** Ends when all rows have; a row that has ended goes on with tokens that nobody looks at. */
function ended({ StoppingCriteria }: TransformersLibrary, rows: Rows): InstanceType<typeof StoppingCriteria> {
  class AllEnded extends StoppingCriteria {
    override _call(ids: number[][]): boolean[] {
      return ids.map(() => rows.ended);
    }
  }
  return new AllEnded() as InstanceType<typeof StoppingCriteria>;
}

function shapeOf(model: PreTrainedModel): OnnxShape {
  const config = model.config as unknown as Record<string, unknown>;
  const generation = (model.generation_config ?? {}) as unknown as Record<string, unknown>;
  const number = (name: string): number => {
    const value = config[name];
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw new Error(`its config.json has no ${name}`);
    return value as number;
  };
  const ends = [config['eos_token_id'], generation['eos_token_id']].flat();
  return {
    vocabSize: number('vocab_size'),
    maxPositions: number('max_position_embeddings'),
    eosIds: [...new Set(ends.filter((id): id is number => Number.isSafeInteger(id)))],
  };
}
