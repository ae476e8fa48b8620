// What RMSNorm (Zhang & Sennrich 2019), y = gain · x / sqrt(mean(x²) + eps), and its gradient have in common: takes the place of
// the line `//@rmsnorm_common`. The kernel declares bindings 3 and on.
//
//   x [ROWS, WIDTH], gain [WIDTH]; for the norm per head ROWS = T · heads and WIDTH = Dh.

// Sizes are no constants, which would let drivers unroll the loops (see linear_common).
struct Params {
  // WIDTH
  width: u32,
  // Backward, 1: add to dx
  accumulate: u32,
  rows: u32,
  // Workgroups in x
  groupsX: u32,
  eps: f32,
}

//@finite

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;

/** 1 / sqrt(mean(x²) + eps) of a row from Σ x²; NaN where the sum overflowed, which would make zeros of the row. */
fn reciprocalNorm(squares: f32) -> f32 {
  return 1.0 / sqrt(squares / f32(p.width) + p.eps) + poison(squares);
}
