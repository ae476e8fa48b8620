// Lines of logits and weights number by number, whatever V is: see line_vector. Beyond the end of a line vectors are filled with zeros.

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;

fn quads() -> u32 {
  return (p.vocabulary + 3u) / 4u;
}

fn members(quad: u32) -> u32 {
  return min(4u, p.vocabulary - 4u * quad);
}

fn logits4(base: u32, quad: u32) -> vec4f {
  var value = vec4f();
  for (var j = 0u; j < members(quad); j++) {
    value[j] = logits[base + 4u * quad + j];
  }
  return value;
}

fn weights4(base: u32, quad: u32) -> vec4f {
  var value = vec4f();
  for (var j = 0u; j < members(quad); j++) {
    value[j] = weights[base + 4u * quad + j];
  }
  return value;
}

fn storeWeights4(base: u32, quad: u32, value: vec4f) {
  for (var j = 0u; j < members(quad); j++) {
    weights[base + 4u * quad + j] = value[j];
  }
}

fn logitAt(base: u32, index: u32) -> f32 {
  return logits[base + index];
}
