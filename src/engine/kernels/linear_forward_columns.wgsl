// A projection with its bias, LoRA update and residual for few tokens (decoding), on GPUs:
//   y = residual + (bias + (W x + B xa)), each term but W x optional.
//
//   w [OUT, IN] in any format, see weights_int4 and its siblings; the other bindings: see linear_common
//
// Host guarantees and, to the bit, the order of additions are those of linear_forward_tiled. Grid: x over T in
// COLUMNS, y over OUT in 4 · LANES / (4 · p.parts): workgroups that read the same rows of W run side by side.
//
// A matrix-vector product with several columns: 4 · parts lanes share 4 outputs, and one read of the weights serves the COLUMNS tokens of
// a workgroup, 16 at most: 17 to 32 tokens are two blocks. The lanes' sums meet in workgroup memory once, at the end. How lanes share is said by SHARE, and changes no bit:
//
//   slices   lane i takes the runs of 8 weights i, i + 4 · parts, … of all four outputs. Per run it reads 4 · 4 bytes of int4 weights from
//            memory and 32 · COLUMNS bytes of x from cache for 32 · COLUMNS fma and about 100 operations of unpacking: bound by memory
//            up to about 4 columns, by arithmetic from there. Two runs are in flight, 8 words and scales a lane; in f32 one above 8
//            columns, since sums take 4 registers a column and a run 32.
//   groups   each lane takes groups of 32 weights of one output (int4 and int8): 16 bytes and one scale a load where slices has 4 words
//            and 4 scales for as many weights, and about 60 operations of unpacking. It reads 128 · COLUMNS bytes of x from cache, which
//            lanes of other outputs read too. For up to 4 columns.
//
// Workgroups are small because little is shared: many of them keep a device of thousands of lanes busy with 896 outputs.

//@adapters

//@linear_common

@group(0) @binding(2) var<storage, read> w: array<vec4u>;

//@weights

//@along

//@columns

//@linear_columns
