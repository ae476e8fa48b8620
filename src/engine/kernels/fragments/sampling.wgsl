// What sampling has in common on all devices: takes the place of the line `//@sampling`. The kernel declares logits (binding 1) and weights
// (binding 5).
//
//   logits   [N, V]
//   rows     [N]     row of each line of logits
//   settings [rows]  see Settings; temperature 0 = argmax, the lowest index of several
//   state    [rows]  (next position, last token, tokens sampled so far, unused); all but the last are updated
//   weights  [N, V]  scratch
//   results  [N]     (token, bits of its log-probability (NaN where a logit is not finite), bits of the top-2 margin, index of the token in the completion)
//
// Log-probability: full softmax of the raw logits at temperature 1. Draw: weights exp((z − max) / temperature) of the
// tokens kept by top-k (ties with the k-th are kept), then by top-p; the first kept token in index order whose running sum
// exceeds u · total, else the last kept one; u is the Philox draw of (key, token index), see src/random.ts.

// A mixture takes one line for each part (see mix_rows, which comes before): its first line has log-probabilities at temperature 1,
// its second those to draw from, at temperature 1 again. A line of another part is left alone, as are its row's state and result.

/** What is drawn from: how many lines further on, at which temperature. */
struct Source {
  line: u32,
  temperature: f32,
}

fn sourceOf(s: Settings) -> Source {
  if (s.parts > 1u) {
    return Source(1u, 1.0);
  }
  return Source(0u, s.temperature);
}

//@finite

//@sampling_settings

@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> settings: array<Settings>;
@group(0) @binding(4) var<storage, read_write> state: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> results: array<vec4u>;

/** High and low word of a product, from 16-bit halves. */
fn multiply(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle1 = (a >> 16u) * (b & 0xffffu);
  let middle2 = (a & 0xffffu) * (b >> 16u);
  let carry = (low >> 16u) + (middle1 & 0xffffu) + (middle2 & 0xffffu);
  return vec2u((a >> 16u) * (b >> 16u) + (middle1 >> 16u) + (middle2 >> 16u) + (carry >> 16u), a * b);
}

/** First word of Philox4x32-10 (Salmon et al. 2011). */
fn philox(counter: vec4u, key: vec2u) -> u32 {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let m0 = multiply(0xd2511f53u, c.x);
    let m1 = multiply(0xcd9e8d57u, c.z);
    c = vec4u(m1.x ^ c.y ^ k.x, m1.y, m0.x ^ c.w ^ k.y, m0.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c.x;
}

/** Token number `index` of a completion is drawn with this number, in (0, 1). */
fn uniformDraw(s: Settings, index: u32) -> f32 {
  let word = philox(vec4u(index, s.counter1, s.counter2, s.counter3), vec2u(s.key0, s.key1));
  return f32(word >> 8u) * 0x1p-24 + 0x1p-25;
}

/** An integer that orders as the float does, both zeros alike. */
fn ordered(z: f32) -> u32 {
  let bits = bitcast<u32>(select(z, 0.0, z == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

/** Stores the token and moves the row's state on; `denominator` is the sum of exp(logit − highest). One lane does this. */
fn recordToken(line: u32, row: u32, token: u32, logit: f32, highest: f32, second: f32, denominator: f32) {
  let before = state[row];
  let logprob = logit - highest - log(denominator) + poison(denominator);
  results[line] = vec4u(token, bitcast<u32>(logprob), bitcast<u32>(highest - second), before.z);
  let after = vec4u(before.x + 1u, token, before.z + 1u, before.w);
  state[row] = after;
  // The parts of a mixture go on with the same token.
  for (var k = 1u; k < settings[row].parts; k++) {
    state[rows[line + k]] = after;
  }
}
