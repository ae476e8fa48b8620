/** Conformance: adapters in and out, and what an engine must refuse. */
import { expect, it } from 'vitest';
import { AdapterError, RequestError } from '../../../src/engine/errors';
import { copyAdapterWeights, parseAdapter, serialiseAdapter } from '../../../src/engine/peft';
import { DEFAULT_OPTIMISER, type GenerateRequest, type SamplingSettings } from '../../../src/engine/types';
import { collect, type Context } from './shared';

export function adapters(context: Context): void {
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

export function refusals(context: Context): void {
  it('refuses malformed requests, names the row, and works on', async () => {
    const { engine, golden } = context();
    const sampling: SamplingSettings = { temperature: 1, topK: 0, topP: 1, maxTokens: 2, stopIds: [] };
    const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
    const good: GenerateRequest = { ids: [1, 2], adapter: null, sampling, key };
    const V = golden.weights.config.vocabSize;
    const bad: [Partial<GenerateRequest>, RegExp][] = [
      [{ ids: [] }, /sequence 2 has 0 tokens.*at least 1/],
      [{ ids: [0, V] }, /sequence 2: token 2 .*vocabulary.*tokenizer files/],
      [
        { ids: new Array(64).fill(1) },
        /sequence 2 has 64 tokens and is to get 2 more.*longest sequence has 64.*shorten/,
      ],
      [{ adapter: 'nobody' }, /sequence 2.*no adapter nobody/],
      [{ sampling: { ...sampling, temperature: -1 } }, /sequence 2.*temperature/],
      [{ sampling: { ...sampling, topP: 0 } }, /sequence 2.*top-p/],
      [{ sampling: { ...sampling, maxTokens: 0 } }, /sequence 2: 0 tokens are asked for/],
      [{ key: { ...key, seed: -1 } }, /sequence 2.*seed/],
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
    await expect(train([[]])).rejects.toThrow(/adapter adapter: step 1 has no examples/);
    await expect(train([[1]])).rejects.toThrow(/step 1 asks for example 2, and there are 1/);
    const broken = copyAdapterWeights(golden.adapter);
    broken.tensors.delete([...broken.tensors.keys()][3]);
    await expect(engine.importAdapter('a', broken)).rejects.toThrow(AdapterError);
  });
}
