// Four terms of four sums: takes the place of the line `//@along`.

/** Adds them in ascending order; columns of `w` are four rows' four weights each. */
fn along(x: vec4f, w: mat4x4f, sum: vec4f) -> vec4f {
  return vec4f(
    fma(x.w, w[0].w, fma(x.z, w[0].z, fma(x.y, w[0].y, fma(x.x, w[0].x, sum.x)))),
    fma(x.w, w[1].w, fma(x.z, w[1].z, fma(x.y, w[1].y, fma(x.x, w[1].x, sum.y)))),
    fma(x.w, w[2].w, fma(x.z, w[2].z, fma(x.y, w[2].y, fma(x.x, w[2].x, sum.z)))),
    fma(x.w, w[3].w, fma(x.z, w[3].z, fma(x.y, w[3].y, fma(x.x, w[3].x, sum.w)))),
  );
}
