// The token list of the next decode step from the rows' states: one token per row, sampled the step before.
//
//   rows [N]    rows that decode (a row without work may stand in several places)
//   slots [·]   adapter slot of every row
//   state [·]   (next position, last token, tokens sampled so far, unused)
//   ids, row, pos, slot [N]
//
// Grid: x over N in 64. Positions stop at p.maxLength − 1: a row that has ended may idle there until the host sees it.

struct Params {
  count: u32,
  maxLength: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read> state: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;
@group(0) @binding(5) var<storage, read_write> row: array<u32>;
@group(0) @binding(6) var<storage, read_write> pos: array<u32>;
@group(0) @binding(7) var<storage, read_write> slot: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= p.count) {
    return;
  }
  let r = rows[i];
  ids[i] = state[r].y;
  row[i] = r;
  pos[i] = min(state[r].x, p.maxLength - 1u);
  slot[i] = slots[r];
}
