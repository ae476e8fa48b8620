// lora_backward_weights for GPUs: the gradient by one LoRA matrix, added to the gradient pool, for every track of the batch.
//
// What is added and the bindings: see lora_backward_weights_common. Host guarantees: WIDE and RANK are multiples of 4.
// Grid: x over WIDE in 64, y over RANK in 4, z over tracks.
//
// A workgroup makes 64 columns × 4 ranks of a track. Invocation (i, j) of 16 × 16 has four columns and, of the track's tokens,
// j, j + 16, … counted from its first, added up in ascending order with fma; the 16 sums of a number are added in ascending
// order of j. So a step of a workgroup reads 16 tokens × 256 neighbouring bytes, and with one track of 512 tokens, rank 16
// and 896 columns 14,336 lanes have 32 steps each where 896 would have 512. 16 fma on 32 bytes a lane and step; every column is
// read RANK / 4 times, from cache after the first.

const SPLITS = 16u;

//@track

//@lora_backward_weights_common

@group(0) @binding(1) var<storage, read> wide: array<vec4f>;
@group(0) @binding(2) var<storage, read> narrow: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> grad: array<f32>;

// [SPLITS, 4 columns, 16 lanes], four ranks each
var<workgroup> partial: array<vec4f, 1024>;

@compute @workgroup_size(16, SPLITS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let wideQuads = p.wide / 4u;
  let rankQuads = p.rank / 4u;
  let track = tracks[group.z];
  // Columns past the end repeat the last and are not stored.
  let column = min(group.x * 16u + local.x, wideQuads - 1u);
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  for (var t = track.first + local.y; t < track.first + track.count; t += SPLITS) {
    let x = wide[t * wideQuads + column];
    let d = narrow[t * rankQuads + group.y];
    s0 = fma(vec4f(x.x), d, s0);
    s1 = fma(vec4f(x.y), d, s1);
    s2 = fma(vec4f(x.z), d, s2);
    s3 = fma(vec4f(x.w), d, s3);
  }
  let at = local.y * 64u + local.x;
  partial[at] = s0;
  partial[at + 16u] = s1;
  partial[at + 32u] = s2;
  partial[at + 48u] = s3;
  workgroupBarrier();
  // Neighbouring lanes take what lies side by side in the pool: ranks of a column of B, columns of a rank of A.
  var c = lane % 64u;
  var r = lane / 64u;
  if (EXPAND) {
    c = lane / 4u;
    r = lane % 4u;
  }
  var sum = 0.0;
  for (var j = 0u; j < SPLITS; j++) {
    sum += partial[j * 64u + (c % 4u) * 16u + c / 4u][r];
  }
  let wideAt = group.x * 64u + c;
  if (wideAt >= p.wide) {
    return;
  }
  let base = track.slot * p.slotElements + p.offset;
  let rank = group.y * 4u + r;
  if (EXPAND) {
    grad[base + wideAt * p.rank + rank] += sum;
  } else {
    grad[base + rank * p.wide + wideAt] += sum;
  }
}
