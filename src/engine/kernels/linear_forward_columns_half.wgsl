enable f16;

// linear_forward_columns with products in f16, for devices with the feature shader-f16 and packed weights (f16, int8, int4):
//   y = residual + (bias + (W x + B xa))
//
// Bindings, grid and host guarantees as there; the arithmetic, its error and, to the bit, the order of additions are those of
// linear_forward_tiled_half. The frame, linear_columns, and the ways in which lanes share are those of linear_forward_columns:
// 32 · COLUMNS f16 fma a run, half as many where they go in pairs, and about 80 operations of unpacking, since scales stay outside.

const LARGEST = 65504.0;

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

/** Four inputs over 8; zeros past IN. */
fn input(token: u32, quad: u32) -> vec4<f16> {
  var value = vec4f();
  if (quad < p.quads) {
    value = x[token + quad];
  }
  return vec4<f16>(0.125 * clamp(value, vec4f(-LARGEST), vec4f(LARGEST)));
}

//@columns_half

//@linear_columns
