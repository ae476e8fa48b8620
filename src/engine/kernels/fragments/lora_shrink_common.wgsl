// What the first halves of a LoRA update have in common, xa[t] = scale · A x[t] with the adapter of token t, zeros for a token
// without one: takes the place of the line `//@lora_shrink_common`. The kernel declares binding 2, `a`, in the form in which it reads adapters.
//
//   x     [T, IN]
//   a     pool      adapters; this projection's A [RANK, IN] starts at slot · p.slotElements + p.offset
//   slot  [T]       adapter slot of each token, 0xffffffff = none
//   scale [slots]   alpha / rank
//   xa    [T, RANK]
//
// Host guarantees: IN and RANK are multiples of 4.

const NO_SLOT = 0xffffffffu;

struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
  // IN / 4, RANK; see linear_common for why they are no constants.
  quads: u32,
  rank: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> xa: array<f32>;
