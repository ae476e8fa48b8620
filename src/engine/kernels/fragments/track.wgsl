// A track, an adapter in training: takes the place of the line `//@track`. Its tokens, and of the batch's targets its own, are
// contiguous; no two tracks share a slot.

struct Track {
  slot: u32,
  first: u32,
  count: u32,
  firstTarget: u32,
  targets: u32,
  unused0: u32,
  unused1: u32,
  unused2: u32,
}
