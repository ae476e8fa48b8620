// What the gradients of causal attention have in common: takes the place of the line `//@attention_backward_common`. The kernel
// says how it reads numbers (`alias Item = vec2f`, or vec4f), and declares bindings 7 and on, the gradients.
//
//   q, dout [T, HEADS · HEAD_DIM] queries after RoPE, gradient by attention's output
//   k, v    [T, KV_HEADS · HEAD_DIM] keys after RoPE, values
//   stats   [T, HEADS] pairs (lse, delta) from attention_backward_stats
//   tiles   [..] stretches of tokens of one row: (first token, the row's first, one past the row's last, 0), indices into the
//           flat token list; all zero = none
//
// Host guarantees: a row's tokens are contiguous from position 0; HEADS is a multiple of KV_HEADS.

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;

struct Params {
  scale: f32,
  // For keys and values: HEADS / KV_HEADS, as a number that the compiler does not unroll the loop for
  group: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Item>;
@group(0) @binding(2) var<storage, read> k: array<Item>;
@group(0) @binding(3) var<storage, read> v: array<Item>;
@group(0) @binding(4) var<storage, read> dout: array<Item>;
@group(0) @binding(5) var<storage, read> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read> tiles: array<vec4u>;
