enable f16;

// linear_forward_columns with products in f16, for devices with the feature shader-f16 and packed weights (f16, int8, int4):
//   y = residual + (bias + (W x + B xa))
//
// Bindings, grid and host guarantees as there; the arithmetic, its error and, to the bit, the order of additions are those of
// linear_forward_tiled_half. The frame, linear_columns, is that of linear_forward_columns: 32 · COLUMNS f16 fma a run, half as
// many where they go in pairs, and about 80 operations of unpacking, since scales stay outside.

const LARGEST = 65504.0;

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

/** Eight weights of each of four outputs, by k, and the outputs' scales. */
struct Run {
  weights: array<vec4<f16>, 8>,
  scale: vec4f,
}

fn load(rows: vec4u, oct: u32) -> Run {
  var run: Run;
  for (var i = 0u; i < 2u; i++) {
    let w0 = vec4<f16>(unit4(rows.x, 2u * oct + i));
    let w1 = vec4<f16>(unit4(rows.y, 2u * oct + i));
    let w2 = vec4<f16>(unit4(rows.z, 2u * oct + i));
    let w3 = vec4<f16>(unit4(rows.w, 2u * oct + i));
    run.weights[4u * i] = vec4<f16>(w0.x, w1.x, w2.x, w3.x);
    run.weights[4u * i + 1u] = vec4<f16>(w0.y, w1.y, w2.y, w3.y);
    run.weights[4u * i + 2u] = vec4<f16>(w0.z, w1.z, w2.z, w3.z);
    run.weights[4u * i + 3u] = vec4<f16>(w0.w, w1.w, w2.w, w3.w);
  }
  let g = oct / 4u;
  run.scale = 8.0 * vec4f(unitScale(rows.x, g), unitScale(rows.y, g), unitScale(rows.z, g), unitScale(rows.w, g));
  return run;
}

/** Four inputs over 8; zeros past IN. */
fn input(token: u32, quad: u32) -> vec4<f16> {
  var value = vec4f();
  if (quad < p.quads) {
    value = x[token + quad];
  }
  return vec4<f16>(0.125 * clamp(value, vec4f(-LARGEST), vec4f(LARGEST)));
}

/** Adds eight terms of one token. */
fn multiply(run: Run, token: u32, oct: u32, sum: vec4f) -> vec4f {
  let low = input(token, 2u * oct);
  let high = input(token, 2u * oct + 1u);
  var c = fma(vec4<f16>(low.x), run.weights[0], vec4<f16>());
  c = fma(vec4<f16>(low.y), run.weights[1], c);
  c = fma(vec4<f16>(low.z), run.weights[2], c);
  c = fma(vec4<f16>(low.w), run.weights[3], c);
  c = fma(vec4<f16>(high.x), run.weights[4], c);
  c = fma(vec4<f16>(high.y), run.weights[5], c);
  c = fma(vec4<f16>(high.z), run.weights[6], c);
  c = fma(vec4<f16>(high.w), run.weights[7], c);
  return fma(vec4f(c), run.scale, sum);
}

//@linear_columns
