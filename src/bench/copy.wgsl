// What a device reads and writes in a second: y = x, 16 bytes an invocation, neighbours side by side.
//
// Grid: x and y over length in 256, x at most 65,535 workgroups.

struct Params {
  // vec4u of x and of y
  length: u32,
  // Workgroups in x.
  width: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4u>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let i = (group.y * p.width + group.x) * 256u + local.x;
  if (i < p.length) {
    y[i] = x[i];
  }
}
