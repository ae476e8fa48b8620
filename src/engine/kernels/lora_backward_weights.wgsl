// Gradient by one LoRA matrix, A or B (EXPAND), added to the gradient pool, for every track of the batch, for software drivers.
//
// What is added and the bindings: see lora_backward_weights_common. Host guarantees: WIDE and RANK are multiples of 4
// (lora_backward_weights_scalar takes another WIDE).
// Grid: x over WIDE/4 in LANES, y over RANK/4, z over tracks. Each sum runs over the track's tokens in ascending order.

override LANES: u32 = 8;

//@track

//@lora_backward_weights_common

@group(0) @binding(1) var<storage, read> wide: array<vec4f>;
@group(0) @binding(2) var<storage, read> narrow: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> grad: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let wideQuads = p.wide / 4u;
  let rankQuads = p.rank / 4u;
  let column = group.x * LANES + local.x;
  if (column >= wideQuads) {
    return;
  }
  let slot = tracks[group.z].slot;
  let first = tracks[group.z].first;
  let end = first + tracks[group.z].count;
  let base = (slot * p.slotElements + p.offset) / 4u;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  if (EXPAND) {
    for (var t = first; t < end; t++) {
      let d = wide[t * wideQuads + column];
      let x = narrow[t * rankQuads + group.y];
      s0 = fma(vec4f(d.x), x, s0);
      s1 = fma(vec4f(d.y), x, s1);
      s2 = fma(vec4f(d.z), x, s2);
      s3 = fma(vec4f(d.w), x, s3);
    }
    let at = base + column * p.rank + group.y;
    grad[at] += s0;
    grad[at + rankQuads] += s1;
    grad[at + 2u * rankQuads] += s2;
    grad[at + 3u * rankQuads] += s3;
  } else {
    for (var t = first; t < end; t++) {
      let x = wide[t * wideQuads + column];
      let d = narrow[t * rankQuads + group.y];
      s0 = fma(vec4f(d.x), x, s0);
      s1 = fma(vec4f(d.y), x, s1);
      s2 = fma(vec4f(d.z), x, s2);
      s3 = fma(vec4f(d.w), x, s3);
    }
    let at = base + group.y * p.wide + column;
    grad[at] += s0;
    grad[at + wideQuads] += s1;
    grad[at + 2u * wideQuads] += s2;
    grad[at + 3u * wideQuads] += s3;
  }
}
