// Products in tiles that a workgroup shares, for the gradients of attention: takes the place of the line
// `//@attention_backward_tiles` beside `//@attention_backward_common` with `Item = vec4f`. A workgroup's own TILE lines
// (queries or keys) meet TILE others at a time. The kernel says how they are read:
//   fn stage(at, own, other, mask)   staged[at + CHUNK · TILE · (0, 1)] = mask times an own line's quad of the two arrays at
//                                    `own`, staged[at + CHUNK · TILE · (2, 3)] = another line's at `other`

const LANES = 128u;
const TILE = 32u;
// Quads of columns staged at a time: a lane stages one of each array
const CHUNK = LANES / TILE;
const COLUMNS = HEAD_DIM / 4u;
const QUADS = TILE / 4u;
const ACROSS = LANES / QUADS;
// Quads of columns of the results that a lane has
const SPAN = (COLUMNS + ACROSS - 1u) / ACROSS;

// A chunk of four arrays [CHUNK, TILE] each; then what the kernel's sums are made of [other line, quad of own lines]
var<workgroup> staged: array<vec4f, 4u * CHUNK * TILE>;

/** Of own lines 4·quad .. 4·quad + 3 and the other lines across, across + ACROSS: q · k, and dO · v. */
struct Products {
  score: array<vec4f, 2>,
  dp: array<vec4f, 2>,
}

/** `own` and `other` are where this lane's lines begin (line lane / CHUNK of each tile). */
fn products(lane: u32, own: u32, other: u32) -> Products {
  let line = lane / CHUNK;
  let part = lane % CHUNK;
  let quad = lane / ACROSS;
  let across = lane % ACROSS;
  var result = Products();
  for (var first = 0u; first < COLUMNS; first += CHUNK) {
    // The chunk before, or what the last sums were made of, has been read.
    workgroupBarrier();
    let d = min(first + part, COLUMNS - 1u);
    stage(part * TILE + line, own + d, other + d, select(0.0, 1.0, first + part < COLUMNS));
    workgroupBarrier();
    for (var c = 0u; c < CHUNK; c++) {
      let mine = c * TILE + 4u * quad;
      let theirs = (2u * CHUNK + c) * TILE + across;
      for (var n = 0u; n < 2u; n++) {
        let forScore = staged[theirs + n * ACROSS];
        let forDp = staged[CHUNK * TILE + theirs + n * ACROSS];
        for (var i = 0u; i < 4u; i++) {
          result.score[n][i] += dot(staged[mine + i], forScore);
          result.dp[n][i] += dot(staged[CHUNK * TILE + mine + i], forDp);
        }
      }
    }
  }
  workgroupBarrier();
  return result;
}
