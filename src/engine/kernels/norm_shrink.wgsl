// RMSNorm and, of what it makes, the first halves of the LoRA updates of up to three projections, for few tokens on GPUs:
//   y[t] = gain · x[t] / sqrt(mean(x[t]²) + eps);  xa[t, part] = scale · A_part y[t] with the adapter of token t, or zeros.
//
//   x, y  [T, IN], gain [IN]
//   a     pool      adapters; A [RANK, IN] of a part starts at slot · p.slotElements + offset of the part
//   slot  [T]       adapter slot of each token, 0xffffffff = none
//   scale [slots]   alpha / rank
//   xa    [T, parts, RANK]
//
// Host guarantees: IN and RANK are multiples of 4. Grid: x over parts · RANK in 4, y over T in TOKENS.
//
// A workgroup makes 4 ranks of TOKENS tokens, which read A anew where the slot changes. Each makes the norm's sums for itself, which
// costs two reads of x and saves a dispatch; the first stores y. Orders of additions, to the bit: of the norm that of rmsnorm_forward_wide with NORM_LANES lanes, of A y that
// of lora_shrink_wide.

override NORM_LANES: u32;
// At most 8
override TOKENS: u32;

const LANES = 64u;
const NO_SLOT = 0xffffffffu;

struct Params {
  tokens: u32,
  // IN / 4, RANK
  quads: u32,
  rank: u32,
  slotElements: u32,
  offset0: u32,
  offset1: u32,
  offset2: u32,
  width: u32,
  parts: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> gain: array<vec4f>;
@group(0) @binding(3) var<storage, read> a: array<AdapterQuad>;
@group(0) @binding(4) var<storage, read> slot: array<u32>;
@group(0) @binding(5) var<storage, read> scale: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> xa: array<f32>;

//@adapters

//@finite

//@along

// [TOKENS, NORM_LANES]
var<workgroup> squares: array<f32, TOKENS * NORM_LANES>;
// [TOKENS, LANES], four ranks each
var<workgroup> partial: array<vec4f, TOKENS * LANES>;
// [TOKENS, 4 ranks, 4 runs of lanes]
var<workgroup> runs: array<f32, TOKENS * 16u>;

/**
 * 1 / RMS of each token, whose first quads are `first`: lane i of NORM_LANES adds elements i, i + NORM_LANES, …; then the lanes as a tree. All
 * tokens share the barriers.
 */
fn reciprocalNorms(lane: u32, first: array<u32, TOKENS>) -> array<f32, TOKENS> {
  for (var at = lane; at < TOKENS * NORM_LANES; at += LANES) {
    let start = first[at / NORM_LANES];
    var sum = 0.0;
    for (var k = at % NORM_LANES; k < p.width; k += NORM_LANES) {
      let value = x[start + k / 4u][k % 4u];
      sum = fma(value, value, sum);
    }
    squares[at] = sum;
  }
  workgroupBarrier();
  for (var half = NORM_LANES / 2u; half > 0u; half >>= 1u) {
    for (var at = lane; at < TOKENS * half; at += LANES) {
      let place = at / half * NORM_LANES + at % half;
      squares[place] += squares[place + half];
    }
    workgroupBarrier();
  }
  var r = array<f32, TOKENS>();
  for (var i = 0u; i < TOKENS; i++) {
    let sum = squares[i * NORM_LANES];
    r[i] = 1.0 / sqrt(sum / f32(p.width) + p.eps) + poison(sum);
  }
  return r;
}

/** Four rows of A in a slot, at quad k; in slot 0 when there is none, so that loads stay inside. */
fn rowsOf(own: u32, place: u32, k: u32) -> mat4x4f {
  let at = (select(own, 0u, own == NO_SLOT) * p.slotElements + place) / 4u + k;
  let q = p.quads;
  return mat4x4f(adapterQuad(a[at]), adapterQuad(a[at + q]), adapterQuad(a[at + 2u * q]), adapterQuad(a[at + 3u * q]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstToken = group.y * TOKENS;
  let last = p.tokens - 1u;
  let rankQuads = p.rank / 4u;
  let part = group.x / rankQuads;
  let rank = (group.x % rankQuads) * 4u;
  let offset = select(select(p.offset0, p.offset1, part > 0u), p.offset2, part > 1u);
  let place = offset + rank * 4u * p.quads;
  // Tokens past the end repeat the last.
  var start = array<u32, TOKENS>();
  var own = array<u32, TOKENS>();
  var sums = array<vec4f, TOKENS>();
  for (var i = 0u; i < TOKENS; i++) {
    let t = min(firstToken + i, last);
    start[i] = t * p.quads;
    own[i] = slot[t];
  }
  let r = reciprocalNorms(lane, start);
  for (var k = lane; k < p.quads; k += LANES) {
    let g = gain[k];
    var rows = rowsOf(own[0], place, k);
    for (var i = 0u; i < TOKENS; i++) {
      let normed = g * (x[start[i] + k] * r[i]);
      if (group.x == 0u) {
        y[start[i] + k] = normed;
      }
      if (i > 0u && own[i] != own[i - 1u]) {
        rows = rowsOf(own[i], place, k);
      }
      sums[i] = along(normed, rows, sums[i]);
    }
  }
  for (var i = 0u; i < TOKENS; i++) {
    partial[i * LANES + lane] = sums[i];
  }
  workgroupBarrier();
  for (var run = lane; run < TOKENS * 16u; run += LANES) {
    let at = (run / 16u) * LANES + (run % 4u) * 16u;
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
      sum += partial[at + i][run % 16u / 4u];
    }
    runs[run] = sum;
  }
  workgroupBarrier();
  let t = firstToken + lane / 4u;
  if (lane < TOKENS * 4u && t < p.tokens) {
    var value = 0.0;
    if (slot[t] != NO_SLOT) {
      value = ((runs[4u * lane] + runs[4u * lane + 1u]) + (runs[4u * lane + 2u] + runs[4u * lane + 3u])) * scale[slot[t]];
    }
    xa[(t * p.parts + part) * p.rank + rank + lane % 4u] = value;
  }
}
