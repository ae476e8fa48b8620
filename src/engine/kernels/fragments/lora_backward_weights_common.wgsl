// What the gradients by a LoRA matrix have in common, added to the gradient pool for every track of the batch: takes the place
// of the line `//@lora_backward_weights_common` beside `//@track`. The kernel declares bindings 1, 2 and 4, `wide`, `narrow` and
// `grad`, as it reads them.
//   A (EXPAND = false): dA[r, i] += Σ_t dXA[t, r] · x[t, i]   wide = x [T, WIDE],  narrow = dXA [T, RANK]
//   B (EXPAND = true):  dB[o, r] += Σ_t dY[t, o] · xa[t, r]   wide = dY [T, WIDE], narrow = xa [T, RANK]
//
//   tracks [G]
//   grad   pool     this matrix starts at slot · p.slotElements + p.offset; A is [RANK, WIDE], B is [WIDE, RANK]
//
// xa = scale · A x as lora_shrink leaves it.

override EXPAND: bool;

struct Params {
  // WIDE
  wide: u32,
  // RANK
  rank: u32,
  slotElements: u32,
  offset: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> tracks: array<Track>;
