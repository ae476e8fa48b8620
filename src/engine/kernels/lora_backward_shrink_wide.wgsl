// lora_backward_shrink for GPUs and any OUT: dXA[T, RANK] = scale_slot · dY[T, OUT] · B_slot[OUT, RANK].
//
// Bindings and host guarantees: see lora_backward_shrink_common. Grid: x over RANK in 4, y over T in TILE.
//
// A workgroup makes 4 ranks of TILE tokens. Lane i of 64 adds up outputs i, i + 64, … with fma in ascending order; 16
// neighbouring lanes' sums are added in ascending order, then the four of those. A step reads TILE gradients (neighbouring
// lanes neighbouring numbers) and a quad of B, which serves all TILE tokens: 16 fma on 32 bytes. With OUT = 4864 a lane has 76
// steps where one lane per rank would have 4864.

const LANES = 64u;

//@lora_backward_shrink_common

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;

// [TILE, LANES], four ranks each
var<workgroup> partial: array<vec4f, 256>;
// [TILE, 4 ranks, 4 runs of lanes]
var<workgroup> runs: array<f32, 64>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.y * TILE;
  let s = slot[first];
  let rankQuads = p.rank / 4u;
  let column = (s * p.slotElements + p.offset) / 4u + group.x;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var o = lane; o < p.out; o += LANES) {
    let weights = b[column + o * rankQuads];
    let at = first * p.out + o;
    sum0 = fma(vec4f(dy[at]), weights, sum0);
    sum1 = fma(vec4f(dy[at + p.out]), weights, sum1);
    sum2 = fma(vec4f(dy[at + 2u * p.out]), weights, sum2);
    sum3 = fma(vec4f(dy[at + 3u * p.out]), weights, sum3);
  }
  partial[lane] = sum0;
  partial[LANES + lane] = sum1;
  partial[2u * LANES + lane] = sum2;
  partial[3u * LANES + lane] = sum3;
  workgroupBarrier();
  let begin = (lane / 16u) * LANES + (lane % 4u) * 16u;
  let rank = lane % 16u / 4u;
  var sum = 0.0;
  for (var i = 0u; i < 16u; i++) {
    sum += partial[begin + i][rank];
  }
  runs[lane] = sum;
  workgroupBarrier();
  if (lane < 16u) {
    let value = (runs[4u * lane] + runs[4u * lane + 1u]) + (runs[4u * lane + 2u] + runs[4u * lane + 3u]);
    dxa[(first + lane / 4u) * p.rank + group.x * 4u + lane % 4u] = scale[s] * value;
  }
}
