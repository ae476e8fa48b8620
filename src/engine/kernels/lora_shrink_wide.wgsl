// lora_shrink for GPUs: xa[t] = scale · A x[t] with the adapter of token t, zeros for a token without one.
//
// Bindings and host guarantees: see lora_shrink_common. Grid: x over RANK in 4, y over T in TOKENS.
//
// A workgroup makes 4 ranks of TOKENS tokens. Lane i of 64 adds up quads i, i + 64, … of IN with fma in ascending order; 16
// neighbouring lanes' sums are added in ascending order, then the four of those. TOKENS has no part in that order.
//
// With IN = 4864 a lane has 19 steps where one lane per rank would have 1216. A step reads TOKENS + 4 quads (neighbouring lanes
// neighbouring quads) for 16 · TOKENS fma; A is read anew where the slot changes from a token to the next. TOKENS = 1 for up
// to four tokens: four times the workgroups hide the latency that is the cost there. TOKENS = 8 for many.

// At most 8
override TOKENS: u32;

const LANES = 64u;

//@adapters

//@lora_shrink_common

@group(0) @binding(2) var<storage, read> a: array<AdapterQuad>;

//@along

// [TOKENS, LANES], four ranks each
var<workgroup> partial: array<vec4f, TOKENS * LANES>;
// [TOKENS, 4 ranks, 4 runs of lanes]
var<workgroup> runs: array<f32, TOKENS * 16>;

/** Quad k of four rows of A in a slot; in slot 0 where there is none, so that loads stay inside. */
fn four(own: u32, first: u32, k: u32) -> mat4x4f {
  let at = (select(own, 0u, own == NO_SLOT) * p.slotElements + p.offset) / 4u + first * p.quads + k;
  let q = p.quads;
  return mat4x4f(adapterQuad(a[at]), adapterQuad(a[at + q]), adapterQuad(a[at + 2u * q]), adapterQuad(a[at + 3u * q]));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.y * TOKENS;
  let last = p.tokens - 1u;
  // Tokens past the end repeat the last.
  var start = array<u32, TOKENS>();
  var own = array<u32, TOKENS>();
  var adapted = false;
  for (var i = 0u; i < TOKENS; i++) {
    let t = min(first + i, last);
    start[i] = t * p.quads;
    own[i] = slot[t];
    adapted = adapted || own[i] != NO_SLOT;
  }
  var sums = array<vec4f, TOKENS>();
  if (adapted) {
    for (var k = lane; k < p.quads; k += LANES) {
      var rows = four(own[0], group.x * 4u, k);
      for (var i = 0u; i < TOKENS; i++) {
        if (i > 0u && own[i] != own[i - 1u]) {
          rows = four(own[i], group.x * 4u, k);
        }
        sums[i] = along(x[start[i] + k], rows, sums[i]);
      }
    }
  }
  for (var i = 0u; i < TOKENS; i++) {
    partial[i * LANES + lane] = sums[i];
  }
  workgroupBarrier();
  for (var run = lane; run < TOKENS * 16u; run += LANES) {
    let at = (run / 16u) * LANES + (run % 4u) * 16u;
    let rank = run % 16u / 4u;
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
      sum += partial[at + i][rank];
    }
    runs[run] = sum;
  }
  workgroupBarrier();
  let t = first + lane / 4u;
  if (lane < TOKENS * 4u && t < p.tokens) {
    var value = 0.0;
    if (slot[t] != NO_SLOT) {
      value = ((runs[4u * lane] + runs[4u * lane + 1u]) + (runs[4u * lane + 2u] + runs[4u * lane + 3u])) * scale[slot[t]];
    }
    xa[t * p.rank + group.x * 4u + lane % 4u] = value;
  }
}
