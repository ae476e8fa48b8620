// What the gradients by A·x of a LoRA projection have in common, dXA[T, RANK] = scale_slot · dY[T, OUT] · B_slot[OUT, RANK]:
// takes the place of the line `//@lora_backward_shrink_common`. The kernel declares bindings 1 and 2, `dy` and `b`, as it reads
// them.
//
//   dy    [T, OUT]  gradient by the projection's output
//   b     pool      adapters; this projection's B [OUT, RANK] starts at slot · p.slotElements + p.offset
//   scale [slots]   alpha / rank
//   slot  [T]       adapter slot of each token
//   dxa   [T, RANK]
//
// Host guarantees: RANK is a multiple of 4, T is a multiple of TILE, every tile of TILE tokens has one slot and it exists.

const TILE = 4u;

struct Params {
  // OUT
  out: u32,
  // RANK
  rank: u32,
  slotElements: u32,
  offset: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> slot: array<u32>;
@group(0) @binding(5) var<storage, read_write> dxa: array<f32>;
