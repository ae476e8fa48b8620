/** The matrices of an adapter as the page draws them. */
import { expect, it } from 'vitest';
import type { AdapterWeights } from '../../src/engine/types';
import { largestChange, largestOf, matricesAt, placesOf } from '../../src/ui/course/matrices';

const base = 'base_model.model.model.layers';
const tensor = (shape: number[], data: number[]) => ({ shape, data: new Float32Array(data) });

/** Without the sign of 0. */
const plain = (value: number) => value + 0;

/** Rank 1, two inputs, three outputs. */
const WEIGHTS: AdapterWeights = {
  config: { rank: 1, alpha: 2, targets: ['q_proj', 'down_proj'] },
  tensors: new Map([
    [`${base}.10.mlp.down_proj.lora_A.weight`, tensor([1, 3], [1, 1, 1])],
    [`${base}.10.mlp.down_proj.lora_B.weight`, tensor([2, 1], [0, 0])],
    [`${base}.1.self_attn.q_proj.lora_A.weight`, tensor([1, 2], [1, -2])],
    [`${base}.1.self_attn.q_proj.lora_B.weight`, tensor([3, 1], [0.5, 0, -1])],
  ]),
};

it('lists the places in the order of the model', () => {
  expect(placesOf(WEIGHTS)).toEqual([
    { layer: 1, projection: 'q_proj' },
    { layer: 10, projection: 'down_proj' },
  ]);
});

it('adds scaling · B·A', () => {
  const { update } = matricesAt(WEIGHTS, 1, 'q_proj')!;
  expect([update.rows, update.columns, ...update.data].map(plain)).toEqual([3, 2, 1, -2, 0, 0, -2, 4]);
  expect(largestOf(update)).toBe(4);
  const wider = matricesAt(
    { ...WEIGHTS, config: { ...WEIGHTS.config, rank: 4, alpha: 2, rslora: true } },
    1,
    'q_proj',
  )!;
  expect([...wider.update.data].map(plain)).toEqual([0.5, -1, 0, 0, -1, 2]);
});

it('adds nothing at the start, and says how far it moved', () => {
  const { update } = matricesAt(WEIGHTS, 10, 'down_proj')!;
  expect(largestOf(update)).toBe(0);
  const moved = { ...update, data: update.data.map((value, at) => (at === 2 ? -3 : value)) };
  expect(largestChange(update, moved)).toBe(3);
  // Layer 1 is not layer 10.
  expect(matricesAt(WEIGHTS, 0, 'q_proj')).toBeNull();
  expect(matricesAt(WEIGHTS, 1, 'down_proj')).toBeNull();
});
