// First half of a LoRA update: xa[t] = scale · A x[t] with the adapter of token t, zeros for a token without one.
//
//   x     [T, IN]
//   a     pool      adapters; this projection's A [RANK, IN] starts at slot · p.slotElements + p.offset
//   slot  [T]       adapter slot of each token, 0xffffffff = none
//   scale [slots]   alpha / rank
//   xa    [T, RANK]
//
// Host guarantees: IN and RANK are multiples of 4 (lora_shrink_scalar takes the rest). Grid: x over RANK in LANES, y over
// T in tiles of TILES · 4 tokens. Each sum runs over IN in ascending order.
//
// Lanes are ranks, a tile's four tokens belong to every lane: loads of x are the same for all lanes of a tile.

override IN: u32;
override RANK: u32;
override LANES: u32 = 8;
override TILES: u32 = 1;

const NO_SLOT = 0xffffffffu;
const QUADS = IN / 4u;

struct Params {
  tokens: u32,
  slotElements: u32,
  offset: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> slot: array<u32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> xa: array<f32>;

fn along(x: vec4f, a: vec4f, sum: f32) -> f32 {
  return fma(x.w, a.w, fma(x.z, a.z, fma(x.y, a.y, fma(x.x, a.x, sum))));
}

/** Where row `rank` of a slot's A starts, in vec4; of slot 0 when there is none, so that loads stay inside. */
fn rowOfA(s: u32, rank: u32) -> u32 {
  return (select(s, 0u, s == NO_SLOT) * p.slotElements + p.offset) / 4u + rank * QUADS;
}

fn store(t: u32, rank: u32, s: u32, sum: f32) {
  if (t < p.tokens) {
    xa[t * RANK + rank] = select(sum * scale[select(s, 0u, s == NO_SLOT)], 0.0, s == NO_SLOT);
  }
}

@compute @workgroup_size(LANES, TILES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let rank = group.x * LANES + local.x;
  let t = (group.y * TILES + local.y) * 4u;
  if (rank >= RANK || t >= p.tokens) {
    return;
  }
  let last = p.tokens - 1u;
  let t1 = min(t + 1u, last);
  let t2 = min(t + 2u, last);
  let t3 = min(t + 3u, last);
  let s = vec4u(slot[t], slot[t1], slot[t2], slot[t3]);
  if (all(s == vec4u(NO_SLOT))) {
    for (var i = 0u; i < 4u; i++) {
      store(t + i, rank, NO_SLOT, 0.0);
    }
    return;
  }
  let x0 = t * QUADS;
  let x1 = t1 * QUADS;
  let x2 = t2 * QUADS;
  let x3 = t3 * QUADS;
  var sum = vec4f();
  if (all(s == s.xxxx)) {
    let base = rowOfA(s.x, rank);
    for (var k = 0u; k < QUADS; k++) {
      let w = a[base + k];
      sum.x = along(x[x0 + k], w, sum.x);
      sum.y = along(x[x1 + k], w, sum.y);
      sum.z = along(x[x2 + k], w, sum.z);
      sum.w = along(x[x3 + k], w, sum.w);
    }
  } else {
    let a0 = rowOfA(s.x, rank);
    let a1 = rowOfA(s.y, rank);
    let a2 = rowOfA(s.z, rank);
    let a3 = rowOfA(s.w, rank);
    for (var k = 0u; k < QUADS; k++) {
      sum.x = along(x[x0 + k], a[a0 + k], sum.x);
      sum.y = along(x[x1 + k], a[a1 + k], sum.y);
      sum.z = along(x[x2 + k], a[a2 + k], sum.z);
      sum.w = along(x[x3 + k], a[a3 + k], sum.w);
    }
  }
  store(t, rank, s.x, sum.x);
  store(t + 1u, rank, s.y, sum.y);
  store(t + 2u, rank, s.z, sum.z);
  store(t + 3u, rank, s.w, sum.w);
}
