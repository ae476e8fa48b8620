// Gradient by the input of a frozen projection with LoRA, on GPUs: dX[T, IN] (+)= dY · W + dXA · A.
//
//   dy, dy4 [T, OUT]  gradient by the projection's output: one buffer bound twice, as f32 and (read if VECTOR) as vec4f
//   w [OUT, IN]       in any format, see weights_int4 and its siblings; the other bindings: see linear_backward_common
//
// Host guarantees: IN and RANK are multiples of 4; OUT too with VECTOR. Grid: x over T in 64, y over IN in 64, z over p.splits.
//
// Order of additions: OUT is cut into p.splits runs of whole steps of 32; slice s of a run has outputs 8s .. 8s + 7 of each
// step and is added up in ascending order with fma; a run is (s0 + s1) + (s2 + s3). With one run dXA · A is added to that in
// ascending order over RANK, then dX. With more, split z is stored at dx[z] of [splits, T, IN], for sum_splits to add.
//
// The frame is that of linear_forward_tiled (sliced_tile) with W's tile, [32, 16], the other way round: 64 tokens × 64 inputs
// a workgroup, 4 slices of 8 × 8 tiles in registers. Per step of 32 outputs 64 · 32 gradients and 32 · 64 weights (two groups
// of a row, so the tile is right as it is stored) go through workgroup memory, each packed word read once for 64 tokens;
// 512 fma on 32 16-byte reads an invocation. A row of the weights' tile is a run of eight columns side by side for the eight
// lanes that share tokens: no two lanes of a quarter warp meet in a bank.

// OUT is a multiple of 4.
override VECTOR: bool = true;

const STEP = 32u;

//@linear_backward_common

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<vec4u>;
@group(0) @binding(7) var<storage, read> dy4: array<vec4f>;

//@weights

//@sliced_tile

/** Gradients o .. o + 3 of the token whose first is `start`; zero past OUT. */
fn gradients(start: u32, o: u32) -> vec4f {
  var four = vec4f();
  if (VECTOR) {
    if (o < p.out) {
      four = dy4[(start + o) / 4u];
    }
  } else {
    for (var i = 0u; i < 4u; i++) {
      if (o + i < p.out) {
        four[i] = dy[start + o + i];
      }
    }
  }
  return four;
}

/** Fills the tile with outputs o .. o + 31 of 64 tokens and 64 inputs; rows past the end repeat the last. */
fn stage(lane: u32, o: u32, firstToken: u32, firstInput: u32) {
  let row = lane / 4u;
  let first = 8u * (lane % 4u);
  let start = min(firstToken + row, p.tokens - 1u) * p.step + p.first;
  let even = row * QUADS + ((first / 4u) ^ (row % QUADS));
  tile[even] = gradients(start, o + first);
  tile[even ^ 1u] = gradients(start, o + first + 4u);
  let weightRow = lane / 8u;
  let column = firstInput + 8u * (lane % 8u);
  let output = min(o + weightRow, p.out - 1u);
  let at = WEIGHTS + weightRow * 16u + 2u * (lane % 8u);
  var low = vec4f();
  var high = vec4f();
  if (column < p.in) {
    low = weight4(output, column / 4u);
  }
  if (column + 4u < p.in) {
    high = weight4(output, column / 4u + 1u);
  }
  tile[at] = low;
  tile[at + 1u] = high;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstToken = group.x * TILE;
  let firstInput = group.y * TILE;
  let slice = lane / 64u;
  let tokenLane = lane % 64u / 8u;
  let columnLane = lane % 8u;
  let steps = (p.out + STEP - 1u) / STEP;
  let run = (steps + p.splits - 1u) / p.splits;
  let end = min(steps, (group.z + 1u) * run);
  // Tokens tokenLane + 8 m in 2m and 2m + 1: the column quads columnLane and columnLane + 8.
  var c = array<vec4f, 16>();
  for (var step = group.z * run; step < end; step++) {
    workgroupBarrier();
    stage(lane, step * STEP, firstToken, firstInput);
    workgroupBarrier();
    for (var half = 0u; half < 2u; half++) {
      let quad = 2u * slice + half;
      let i = tokenLane * QUADS + (quad ^ tokenLane);
      let j = WEIGHTS + quad * 64u + columnLane;
      let low = mat4x4f(tile[j], tile[j + 16u], tile[j + 32u], tile[j + 48u]);
      let high = mat4x4f(tile[j + 8u], tile[j + 24u], tile[j + 40u], tile[j + 56u]);
      let d0 = tile[i];
      c[0] = along(d0, low, c[0]);
      c[1] = along(d0, high, c[1]);
      let d1 = tile[i + 64u];
      c[2] = along(d1, low, c[2]);
      c[3] = along(d1, high, c[3]);
      let d2 = tile[i + 128u];
      c[4] = along(d2, low, c[4]);
      c[5] = along(d2, high, c[5]);
      let d3 = tile[i + 192u];
      c[6] = along(d3, low, c[6]);
      c[7] = along(d3, high, c[7]);
      let d4 = tile[i + 256u];
      c[8] = along(d4, low, c[8]);
      c[9] = along(d4, high, c[9]);
      let d5 = tile[i + 320u];
      c[10] = along(d5, low, c[10]);
      c[11] = along(d5, high, c[11]);
      let d6 = tile[i + 384u];
      c[12] = along(d6, low, c[12]);
      c[13] = along(d6, high, c[13]);
      let d7 = tile[i + 448u];
      c[14] = along(d7, low, c[14]);
      c[15] = along(d7, high, c[15]);
    }
  }
  var totals = array<vec4f, 4>();
  totals[0] = exchange(lane, c[0], c[1], c[2], c[3]);
  totals[1] = exchange(lane, c[4], c[5], c[6], c[7]);
  totals[2] = exchange(lane, c[8], c[9], c[10], c[11]);
  totals[3] = exchange(lane, c[12], c[13], c[14], c[15]);
  let inQuads = p.in / 4u;
  let column = firstInput / 4u + lane % 16u;
  for (var i = 0u; i < 4u; i++) {
    let t = firstToken + (lane / 128u) * 8u + lane % 128u / 16u + 16u * i;
    if (t >= p.tokens || column >= inQuads) {
      continue;
    }
    let at = (group.z * p.tokens + t) * inQuads + column;
    var sum = totals[i];
    if (p.splits == 1u) {
      if (p.rank > 0u) {
        sum = addLora(t, column, sum);
      }
      if (p.accumulate == 1u) {
        sum += dx[at];
      }
    }
    dx[at] = sum;
  }
}
