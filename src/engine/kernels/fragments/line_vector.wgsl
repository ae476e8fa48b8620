// Lines of logits and weights as vectors of four, V a multiple of 4: takes the place of the line `//@line`. `base` is a line's first number.
//   fn quads()                      vectors of a line
//   fn members(quad)                numbers of a vector that are in the line
//   fn logits4(base, quad), weights4(base, quad), storeWeights4(base, quad, value)
//   fn logitAt(base, index)

@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> weights: array<vec4f>;

fn quads() -> u32 {
  return p.vocabulary / 4u;
}

fn members(quad: u32) -> u32 {
  return 4u;
}

fn logits4(base: u32, quad: u32) -> vec4f {
  return logits[base / 4u + quad];
}

fn weights4(base: u32, quad: u32) -> vec4f {
  return weights[base / 4u + quad];
}

fn storeWeights4(base: u32, quad: u32, value: vec4f) {
  weights[base / 4u + quad] = value;
}

fn logitAt(base: u32, index: u32) -> f32 {
  return logits[(base + index) / 4u][index % 4u];
}
