// First half of a LoRA update, for software drivers: xa[t] = scale · A x[t] with the adapter of token t, zeros for a token
// without one.
//
// Bindings and host guarantees: see lora_shrink_common (lora_shrink_scalar takes an IN that is not a multiple of 4).
// Grid: x over RANK in LANES, y over T in tiles of TILES · 4 tokens. Each sum runs over IN in ascending order.
//
// Lanes are ranks, a tile's four tokens belong to every lane: loads of x are the same for all lanes of a tile.

override LANES: u32 = 8;
override TILES: u32 = 1;

//@lora_shrink_common

@group(0) @binding(2) var<storage, read> a: array<vec4f>;

fn along(x: vec4f, a: vec4f, sum: f32) -> f32 {
  return fma(x.w, a.w, fma(x.z, a.z, fma(x.y, a.y, fma(x.x, a.x, sum))));
}

@compute @workgroup_size(LANES, TILES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let rank = group.x * LANES + local.x;
  let t = (group.y * TILES + local.y) * 4u;
  if (rank >= p.rank || t >= p.tokens) {
    return;
  }
  let tokens = min(t + vec4u(0u, 1u, 2u, 3u), vec4u(p.tokens - 1u));
  let s = vec4u(slot[tokens.x], slot[tokens.y], slot[tokens.z], slot[tokens.w]);
  // Rows of A in the tokens' slots; in slot 0 when there is none, so that loads stay inside.
  let slots = select(s, vec4u(), s == vec4u(NO_SLOT));
  let rows = (slots * p.slotElements + p.offset) / 4u + rank * p.quads;
  let start = tokens * p.quads;
  var sum = vec4f();
  if (all(s == s.xxxx)) {
    let steps = select(p.quads, 0u, s.x == NO_SLOT);
    for (var k = 0u; k < steps; k++) {
      let w = a[rows.x + k];
      sum.x = along(x[start.x + k], w, sum.x);
      sum.y = along(x[start.y + k], w, sum.y);
      sum.z = along(x[start.z + k], w, sum.z);
      sum.w = along(x[start.w + k], w, sum.w);
    }
  } else {
    for (var k = 0u; k < p.quads; k++) {
      sum.x = along(x[start.x + k], a[rows.x + k], sum.x);
      sum.y = along(x[start.y + k], a[rows.y + k], sum.y);
      sum.z = along(x[start.z + k], a[rows.z + k], sum.z);
      sum.w = along(x[start.w + k], a[rows.w + k], sum.w);
    }
  }
  for (var i = 0u; i < min(4u, p.tokens - t); i++) {
    let own = slot[t + i];
    let value = select(select(sum.x, sum.y, i == 1u), select(sum.z, sum.w, i == 3u), i >= 2u);
    var scaled = 0.0;
    if (own != NO_SLOT) {
      scaled = value * scale[own];
    }
    xa[(t + i) * p.rank + rank] = scaled;
  }
}
