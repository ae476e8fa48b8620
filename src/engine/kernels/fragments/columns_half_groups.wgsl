// Terms of linear_forward_columns_half where lanes share groups (share_groups): takes the place of the line `//@columns_half`.

fn multiplyGroup(group: Group, scale: f32, token: u32, index: u32, sum: vec4f) -> vec4f {
  var terms = vec4<f16>();
  for (var half = 0u; half < 2u; half++) {
    let quad = 8u * index + half;
    let a = input(token, quad);
    let b = input(token, quad + 2u);
    let c = input(token, quad + 4u);
    let d = input(token, quad + 6u);
    let k = 4u * half;
    terms = fma(vec4<f16>(a.x, b.x, c.x, d.x), vec4<f16>(unitAcross(group, k)), terms);
    terms = fma(vec4<f16>(a.y, b.y, c.y, d.y), vec4<f16>(unitAcross(group, k + 1u)), terms);
    terms = fma(vec4<f16>(a.z, b.z, c.z, d.z), vec4<f16>(unitAcross(group, k + 2u)), terms);
    terms = fma(vec4<f16>(a.w, b.w, c.w, d.w), vec4<f16>(unitAcross(group, k + 3u)), terms);
  }
  return fma(vec4f(terms), vec4f(8.0 * UNIT * scale), sum);
}
