/**
 * What every engine must do, as one suite: the golden numbers of PyTorch, and the rules of the contract
 * (src/engine/types.ts) that a recipe builds on. Each engine's test file calls it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdapterError, RequestError } from '../../src/engine/errors';
import { copyAdapterWeights, parseAdapter, serialiseAdapter } from '../../src/engine/peft';
import { DEFAULT_OPTIMISER } from '../../src/engine/types';
import type {
  AdapterWeights,
  Engine,
  EngineOptions,
  GenerateRequest,
  GenerateResult,
  SamplingSettings,
  TrainJob,
  TrainStepEvent,
} from '../../src/engine/types';
import { STREAMS } from '../../src/random';
import { GOLDEN_MODELS, readGolden, relativeErrors, type Golden } from './golden';

/** Bounds of the project: logits against PyTorch and LoRA gradients, both relative. */
const LOGITS_ERROR = 1e-4;
const GRADIENT_ERROR = 1e-3;

export type MakeEngine = (modelDir: string, options: EngineOptions) => Promise<Engine>;

const OPTIONS: EngineOptions = { maxRows: 4, maxAdapters: 6, maxRank: 8, maxLength: 64 };

/** Declares the suite for one engine. `makeEngine` loads the model folder it is given. */
export function conformance(name: string, makeEngine: MakeEngine): void {
  describe.each(GOLDEN_MODELS)(`${name} on %s`, (model) => {
    let golden: Golden;
    let engine: Engine;
    beforeAll(async () => {
      golden = await readGolden(model);
      engine = await makeEngine(golden.dir, OPTIONS);
      await engine.importAdapter('adapter', golden.adapter);
      await engine.importAdapter('adapter2', golden.adapter2);
    });
    afterAll(() => engine?.dispose());
    const context = (): { engine: Engine; golden: Golden } => ({ engine, golden });
    numbers(context);
    training(context);
    generation(context);
    adapters(context);
    refusals(context);
  });
}

type Context = () => { engine: Engine; golden: Golden };

function numbers(context: Context): void {
  const cases = [
    ['the base', '', null],
    ['an adapter on all projections', '.adapter', 'adapter'],
    ['an adapter on q and v', '.adapter2', 'adapter2'],
  ] as const;

  it.each(cases)('computes the logits of PyTorch with %s', async (_, infix, adapter) => {
    const { engine, golden } = context();
    for (const [i, { ids }] of golden.sequences.entries()) {
      const logits = await engine.logits({ ids, adapter });
      const { norm, max } = relativeErrors(logits, expected(golden, `logits${infix}.${i}`));
      expect(norm, `sequence ${i}`).toBeLessThan(LOGITS_ERROR);
      expect(max, `sequence ${i}`).toBeLessThan(LOGITS_ERROR);
    }
  });

  it('scores rows of different adapters and lengths as PyTorch does', async () => {
    const { engine, golden } = context();
    for (const [, infix, adapter] of cases) {
      const scores = await engine.score(golden.sequences.map(({ ids }) => ({ ids, adapter })));
      scores.forEach((score, i) => {
        const { norm, max } = relativeErrors(score, expected(golden, `logprobs${infix}.${i}`));
        expect(norm, `${adapter} ${i}`).toBeLessThan(LOGITS_ERROR);
        expect(max, `${adapter} ${i}`).toBeLessThan(LOGITS_ERROR);
      });
    }
  });

  it('computes loss and every LoRA gradient of PyTorch', async () => {
    const { engine, golden } = context();
    const track = { adapter: 'adapter', examples: golden.sequences, batches: [golden.batch] };
    const { loss, tensors } = await engine.gradients(track);
    expect(Math.abs(loss / golden.loss - 1)).toBeLessThan(LOGITS_ERROR);
    expect([...tensors.keys()].sort()).toEqual([...golden.adapter.tensors.keys()].sort());
    for (const [tensor, { shape, data }] of tensors) {
      expect(shape, tensor).toEqual(golden.adapter.tensors.get(tensor)?.shape);
      const { norm, max } = relativeErrors(data, expected(golden, `grad.${tensor}`));
      expect(norm, tensor).toBeLessThan(GRADIENT_ERROR);
      expect(max, tensor).toBeLessThan(GRADIENT_ERROR);
    }
    // Nothing was updated.
    expect(await engine.exportAdapter('adapter')).toEqual(golden.adapter);
  });
}

function training(context: Context): void {
  const job = (golden: Golden, setting: 'constant' | 'cosine', adapter: string): TrainJob => {
    const { optimiser, batches } = golden.training[setting];
    return {
      objective: 'sft',
      tracks: [{ adapter, examples: golden.sequences, batches }],
      optimiser: { ...DEFAULT_OPTIMISER, ...optimiser },
    };
  };

  it.each(['constant', 'cosine'] as const)('takes ten AdamW steps as PyTorch does (%s)', async (setting) => {
    const { engine, golden } = context();
    const { steps, prefix } = golden.training[setting];
    await engine.importAdapter('trained', golden.adapter);
    const events = await collect(engine.train(job(golden, setting, 'trained')));
    expect(events.map(({ step, totalSteps }) => [step, totalSteps])).toEqual(steps.map((_, s) => [s, steps.length]));
    events.forEach(({ tracks }, s) => {
      expect(tracks).toHaveLength(1);
      expect(tracks[0].adapter).toBe('trained');
      expect(tracks[0].tokens).toBe(steps[s].tokens);
      expect(Math.abs(tracks[0].lr - steps[s].lr)).toBeLessThan(1e-8);
      expect(Math.abs(tracks[0].loss / steps[s].loss - 1), `loss of step ${s}`).toBeLessThan(LOGITS_ERROR);
      expect(Math.abs(tracks[0].gradNorm / steps[s].gradNorm - 1), `norm of step ${s}`).toBeLessThan(GRADIENT_ERROR);
    });
    for (const [name, { data }] of (await engine.exportAdapter('trained')).tensors) {
      expect(relativeErrors(data, expected(golden, `${prefix}${name}`)).norm, name).toBeLessThan(GRADIENT_ERROR);
    }
  });

  it('trains several adapters in one job as each alone, with different numbers of steps', async () => {
    const { engine, golden } = context();
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2 };
    const tracks = [
      { adapter: 'a', examples: golden.sequences, batches: [[0, 1], [2], [3, 4]] },
      { adapter: 'b', examples: golden.sequences.slice(1), batches: [[3], [0, 1]] },
    ];
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    const together = await collect(engine.train({ objective: 'sft', tracks, optimiser }));
    expect(together.map((event) => event.tracks.map((track) => track.adapter))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a'],
    ]);
    const a = await engine.exportAdapter('a');
    const b = await engine.exportAdapter('b');
    await engine.importAdapter('a', golden.adapter);
    await engine.importAdapter('b', golden.adapter2);
    for (const track of tracks) await collect(engine.train({ objective: 'sft', tracks: [track], optimiser }));
    expectClose(await engine.exportAdapter('a'), a, GRADIENT_ERROR);
    expectClose(await engine.exportAdapter('b'), b, GRADIENT_ERROR);
  });

  it('continues from a state as if it had not stopped', async () => {
    const { engine, golden } = context();
    const whole = job(golden, 'cosine', 'a');
    await engine.importAdapter('a', golden.adapter);
    await collect(engine.train(whole));
    const undisturbed = await engine.exportAdapter('a');

    await engine.importAdapter('a', golden.adapter);
    let step = 0;
    for await (const event of engine.train(whole)) {
      step = event.step + 1;
      if (step === 4) break;
    }
    const state = await engine.optimiserState('a');
    const checkpoint = await engine.exportAdapter('a');
    expect(state?.step).toBe(4);
    await engine.importAdapter('a', checkpoint);
    expect(await engine.optimiserState('a')).toBeNull();
    const rest = await collect(engine.train({ ...whole, resume: { step, states: new Map([['a', state!]]) } }));
    expect(rest.map((event) => event.step)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(await engine.exportAdapter('a')).toEqual(undisturbed);
  });

  it('accumulates micro-batches to the same result', async () => {
    const { engine, golden } = context();
    const whole = job(golden, 'constant', 'a');
    await engine.importAdapter('a', golden.adapter);
    const plain = await collect(engine.train(whole));
    await engine.importAdapter('a', golden.adapter);
    const split = await collect(engine.train({ ...whole, optimiser: { ...whole.optimiser, accumulation: 2 } }));
    split.forEach((event, s) => {
      expect(Math.abs(event.tracks[0].loss / plain[s].tracks[0].loss - 1)).toBeLessThan(LOGITS_ERROR);
      expect(Math.abs(event.tracks[0].gradNorm / plain[s].tracks[0].gradNorm - 1)).toBeLessThan(GRADIENT_ERROR);
    });
  });
}

function generation(context: Context): void {
  const greedy: SamplingSettings = { temperature: 0, topK: 0, topP: 1, maxTokens: 12, stopIds: [] };
  const seeded: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 12, stopIds: [] };
  const request = (golden: Golden, i: number, sampling: SamplingSettings, problem = i): GenerateRequest => ({
    ids: Array.from(golden.sequences[i % golden.sequences.length].ids).slice(0, 3 + (i % 4)),
    adapter: [null, 'adapter', 'adapter2'][i % 3],
    sampling,
    key: { seed: 7, stream: STREAMS.sample, iteration: 1, agent: i % 3, problem, round: 2 },
  });

  it('decodes greedily to the argmax of its own logits', async () => {
    const { engine, golden } = context();
    for (const i of [0, 1, 2]) {
      const asked = request(golden, i, greedy);
      const [result] = await engine.generate([asked]);
      expect(result.ids).toHaveLength(12);
      const ids = [...Array.from(asked.ids), ...result.ids];
      const V = golden.weights.config.vocabSize;
      const logits = await engine.logits({ ids, adapter: asked.adapter });
      result.ids.forEach((id, t) => {
        const at = (asked.ids.length - 1 + t) * V;
        const [first, second] = Array.from(logits.subarray(at, at + V)).sort((a, b) => b - a);
        expect(logits[at + id]).toBeGreaterThan(first - 1e-3);
        expect(Math.abs(result.margins[t] - (first - second))).toBeLessThan(1e-3);
      });
    }
  });

  it('gives a request the same ids alone and among others, in any order', async () => {
    const { engine, golden } = context();
    const settings = [greedy, seeded, { ...seeded, topK: 5 }, { ...seeded, topP: 0.8, temperature: 1.5 }];
    const requests = Array.from({ length: 11 }, (_, i) => {
      const sampling = settings[i % settings.length];
      return request(golden, i, { ...sampling, maxTokens: 3 + ((i * 5) % 11) });
    });
    const together = await engine.generate(requests);
    const reversed = (await engine.generate(requests.slice().reverse())).reverse();
    expect(reversed.map((result) => result.ids)).toEqual(together.map((result) => result.ids));
    for (const i of [0, 3, 5, 10]) {
      const [alone] = await engine.generate([requests[i]]);
      expect(alone.ids).toEqual(together[i].ids);
    }
  });

  it('repeats itself bit for bit, and another seed gives other ids', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 6 }, (_, i) => request(golden, i, seeded));
    const once = await engine.generate(requests);
    expect(await engine.generate(requests)).toEqual(once);
    const other = await engine.generate(requests.map((r) => ({ ...r, key: { ...r.key, seed: 8 } })));
    expect(other.map((result) => result.ids)).not.toEqual(once.map((result) => result.ids));
  });

  it('reports the log-probabilities that score gives', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 6 }, (_, i) => request(golden, i, { ...seeded, temperature: 1.3, topK: 9 }));
    const results = await engine.generate(requests);
    const scores = await engine.score(
      requests.map(({ ids, adapter }, i) => ({ ids: [...Array.from(ids), ...results[i].ids], adapter })),
    );
    results.forEach(({ logprobs }, i) => {
      logprobs.forEach((logprob, t) => {
        expect(Math.abs(logprob - scores[i][requests[i].ids.length - 1 + t])).toBeLessThan(1e-3);
      });
    });
  });

  it('ends a row at a stop id, which it includes, and at maxTokens', async () => {
    const { engine, golden } = context();
    const [free] = await engine.generate([request(golden, 1, greedy)]);
    expect(free.finish).toBe('length');
    const stop = free.ids[4];
    const first = free.ids.indexOf(stop);
    const [stopped] = await engine.generate([request(golden, 1, { ...greedy, stopIds: [stop] })]);
    expect(stopped.ids).toEqual(free.ids.slice(0, first + 1));
    expect(stopped.finish).toBe('stop');
    expect(stopped.logprobs).toHaveLength(first + 1);
    const [one] = await engine.generate([request(golden, 1, { ...greedy, maxTokens: 1 })]);
    expect(one).toMatchObject({ ids: free.ids.slice(0, 1), finish: 'length' });
  });

  it('keeps top-k 1 and a tiny top-p to the most probable token', async () => {
    const { engine, golden } = context();
    const [best] = await engine.generate([request(golden, 2, greedy)]);
    const [one] = await engine.generate([request(golden, 2, { ...seeded, topK: 1 })]);
    const [nucleus] = await engine.generate([request(golden, 2, { ...seeded, topP: 1e-6 })]);
    expect(one.ids).toEqual(best.ids);
    expect(nucleus.ids).toEqual(best.ids);
  });

  it('tells of tokens and ended rows as it goes', async () => {
    const { engine, golden } = context();
    const requests = Array.from({ length: 7 }, (_, i) => request(golden, i, { ...seeded, maxTokens: 2 + i }));
    const told: number[][] = requests.map(() => []);
    const ended = new Map<number, GenerateResult>();
    const results = await engine.generate(requests, {
      onTokens: (row, ids) => told[row].push(...ids),
      onRow: (row, result) => ended.set(row, result),
    });
    expect(told).toEqual(results.map((result) => result.ids));
    expect(results.map((_, row) => ended.get(row))).toEqual(results);
  });

  it('fills the longest sequence it was made for, and answers no requests with no results', async () => {
    const { engine, golden } = context();
    const asked = request(golden, 0, { ...seeded, maxTokens: OPTIONS.maxLength! - 3 });
    const [result] = await engine.generate([asked]);
    expect(result.ids).toHaveLength(OPTIONS.maxLength! - 3);
    expect(await engine.generate([])).toEqual([]);
    expect(await engine.score([])).toEqual([]);
  });

  it('stops when the signal is aborted, and works on', async () => {
    const { engine, golden } = context();
    const controller = new AbortController();
    const requests = Array.from({ length: 12 }, (_, i) => request(golden, i, { ...seeded, maxTokens: 50 }));
    const work = engine.generate(requests, { signal: controller.signal });
    controller.abort(new Error('stopped by the test'));
    await expect(work).rejects.toThrow('stopped by the test');
    expect(await engine.generate([request(golden, 0, greedy)])).toHaveLength(1);
  });
}

function adapters(context: Context): void {
  it('exports what it imported, through PEFT files and back', async () => {
    const { engine, golden } = context();
    await engine.importAdapter('a', golden.adapter2);
    const exported = await engine.exportAdapter('a');
    expect(exported).toEqual(golden.adapter2);
    const files = serialiseAdapter(exported);
    const { config } = golden.weights;
    const read = parseAdapter(files['adapter_config.json'], files['adapter_model.safetensors'], config, 'there');
    expect(read).toEqual(golden.adapter2);
    const { ids } = golden.sequences[1];
    await engine.importAdapter('b', read);
    expect(await engine.logits({ ids, adapter: 'b' })).toEqual(await engine.logits({ ids, adapter: 'adapter2' }));
  });

  it('creates an adapter that changes nothing at first, the same from the same seed', async () => {
    const { engine, golden } = context();
    const config = { rank: 5, alpha: 10, targets: ['q_proj' as const, 'down_proj' as const] };
    await engine.createAdapter('a', config, 3);
    await engine.createAdapter('b', config, 3);
    expect(await engine.exportAdapter('a')).toEqual(await engine.exportAdapter('b'));
    await engine.createAdapter('b', config, 4);
    expect(await engine.exportAdapter('a')).not.toEqual(await engine.exportAdapter('b'));
    const { ids } = golden.sequences[1];
    expect(await engine.logits({ ids, adapter: 'a' })).toEqual(await engine.logits({ ids, adapter: null }));
  });

  it('copies, lists and deletes', async () => {
    const { engine, golden } = context();
    await engine.copyAdapter('adapter', 'copy');
    expect(engine.adapters()).toContain('copy');
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2 };
    const track = { adapter: 'copy', examples: golden.sequences, batches: [[0]] };
    await collect(engine.train({ objective: 'sft', tracks: [track], optimiser }));
    expect(await engine.exportAdapter('copy')).not.toEqual(golden.adapter);
    expect(await engine.exportAdapter('adapter')).toEqual(golden.adapter);
    await engine.deleteAdapter('copy');
    expect(engine.adapters()).not.toContain('copy');
    await expect(engine.exportAdapter('copy')).rejects.toThrow(RequestError);
  });
}

function refusals(context: Context): void {
  it('refuses malformed requests, names the row, and works on', async () => {
    const { engine, golden } = context();
    const sampling: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 2, stopIds: [] };
    const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
    const good: GenerateRequest = { ids: [1, 2], adapter: null, sampling, key };
    const V = golden.weights.config.vocabSize;
    const bad: [Partial<GenerateRequest>, RegExp][] = [
      [{ ids: [] }, /request 1.*0 ids/],
      [{ ids: [0, V] }, /request 1.*outside the vocabulary/],
      [{ ids: new Array(64).fill(1) }, /request 1.*maxLength 64/],
      [{ adapter: 'nobody' }, /request 1.*no adapter nobody/],
      [{ sampling: { ...sampling, temperature: -1 } }, /request 1.*temperature/],
      [{ sampling: { ...sampling, topP: 0 } }, /request 1.*topP/],
      [{ sampling: { ...sampling, maxTokens: 0 } }, /request 1.*maxTokens/],
      [{ key: { ...key, seed: -1 } }, /request 1.*key\.seed/],
    ];
    for (const [change, message] of bad) {
      const work = engine.generate([good, { ...good, ...change }]);
      await expect(work).rejects.toThrow(RequestError);
      await expect(engine.generate([good, { ...good, ...change }])).rejects.toThrow(message);
    }
    await expect(engine.score([{ ids: [1], adapter: null }])).rejects.toThrow(RequestError);
    expect(await engine.generate([good])).toHaveLength(1);
  });

  it('refuses training on nothing and adapters that do not fit', async () => {
    const { engine, golden } = context();
    const example = { ids: [1, 2, 3], weights: [0, 0, 0] };
    const train = (batches: number[][]): Promise<unknown> =>
      collect(
        engine.train({
          objective: 'sft',
          tracks: [{ adapter: 'adapter', examples: [example], batches }],
          optimiser: DEFAULT_OPTIMISER,
        }),
      );
    await expect(train([[0]])).rejects.toThrow(/no token with a weight/);
    await expect(train([[]])).rejects.toThrow(/batch 0 is empty/);
    await expect(train([[1]])).rejects.toThrow(/example 1/);
    const broken = copyAdapterWeights(golden.adapter);
    broken.tensors.delete([...broken.tensors.keys()][3]);
    await expect(engine.importAdapter('a', broken)).rejects.toThrow(AdapterError);
  });
}

async function collect(events: AsyncGenerator<TrainStepEvent, void, void>): Promise<TrainStepEvent[]> {
  const all: TrainStepEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

function expected(golden: Golden, name: string): Float32Array {
  const tensor = golden.tensors.get(name);
  if (tensor === undefined) throw new Error(`golden.safetensors has no ${name}`);
  return tensor.data;
}

function expectClose(actual: AdapterWeights, wanted: AdapterWeights, bound: number): void {
  expect([...actual.tensors.keys()].sort()).toEqual([...wanted.tensors.keys()].sort());
  for (const [name, { data }] of actual.tensors) {
    expect(relativeErrors(data, wanted.tensors.get(name)!.data).norm, name).toBeLessThan(bound);
  }
}
