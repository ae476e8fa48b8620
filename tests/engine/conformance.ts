/**
 * What every engine must do, as one suite: the golden numbers of PyTorch, and the rules of the contract
 * (src/engine/types.ts) that a recipe builds on. Each engine's test file calls it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, EngineOptions } from '../../src/engine/types';
import { adapters, refusals } from './conformance/adapters';
import { finite } from './conformance/finite';
import { generation } from './conformance/generation';
import { objectives } from './conformance/objectives';
import { ranking } from './conformance/ranking';
import { ensemble } from './conformance/ensemble';
import { expected, GRADIENT_ERROR, LOGITS_ERROR, OPTIONS, type Context } from './conformance/shared';
import { training } from './conformance/training';
import { GOLDEN_MODELS, readGolden, relativeErrors, type Golden } from './golden';

export type MakeEngine = (modelDir: string, options: EngineOptions) => Promise<Engine>;

/** What the suite consists of. */
export const PARTS = { numbers, training, objectives, ranking, generation, ensemble, adapters, refusals, finite };

/**
 * Declares the suite for one engine. `makeEngine` loads the model folder it is given; `models` as `readGolden` takes them; `parts`
 * without `numbers` is for an engine that rounds what PyTorch does not.
 */
export function conformance(
  name: string,
  makeEngine: MakeEngine,
  models: readonly string[] = GOLDEN_MODELS,
  parts: readonly ((context: Context) => void)[] = Object.values(PARTS),
): void {
  describe.each(models)(`${name} on %s`, (model) => {
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
    for (const declare of parts) declare(context);
  });
}

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
