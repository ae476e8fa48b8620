// Rows of a packed matrix as f32: y[i] = W[row of i]. Looks up embeddings, and shows what the device computes with.
//
//   ids [rows]         rows of W, or not read when p.first is not NO_FIRST: then rows p.first, p.first + 1, …
//   w   [OUT, IN]      packed
//   y   [rows, IN]
//
// Host guarantees: IN is a multiple of 4. Grid: x over IN / 4 in 64, y over rows.

const NO_FIRST = 0xffffffffu;

struct Params {
  quads: u32,
  first: u32,
  stride: u32,
  scales: u32,
  // Of `ids`: the first row of a taller matrix that W has, and how many; those of others are left alone
  firstId: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> w: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

//@weights

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let quad = group.x * 64u + local.x;
  if (quad >= p.quads) {
    return;
  }
  let i = group.y;
  var row = p.first + i;
  if (p.first == NO_FIRST) {
    row = ids[i] - p.firstId;
    if (row >= p.rows) {
      return;
    }
  }
  y[i * p.quads + quad] = weight4(row, quad);
}
