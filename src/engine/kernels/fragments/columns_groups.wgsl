// Terms of linear_forward_columns where lanes share groups (share_groups): takes the place of the line `//@columns`.

/** Four inputs; zeros past IN. */
fn input(token: u32, quad: u32) -> vec4f {
  if (quad < p.quads) {
    return x[token + quad];
  }
  return vec4f();
}

fn multiplyGroup(group: Group, scale: f32, token: u32, index: u32, sum: vec4f) -> vec4f {
  var sums = sum;
  for (var half = 0u; half < 2u; half++) {
    let quad = 8u * index + half;
    let a = input(token, quad);
    let b = input(token, quad + 2u);
    let c = input(token, quad + 4u);
    let d = input(token, quad + 6u);
    let k = 4u * half;
    sums = fma(vec4f(a.x, b.x, c.x, d.x), scale * across(group, k), sums);
    sums = fma(vec4f(a.y, b.y, c.y, d.y), scale * across(group, k + 1u), sums);
    sums = fma(vec4f(a.z, b.z, c.z, d.z), scale * across(group, k + 2u), sums);
    sums = fma(vec4f(a.w, b.w, c.w, d.w), scale * across(group, k + 3u), sums);
  }
  return sums;
}
