// Terms of linear_forward_columns_half where lanes share slices (share_slices): takes the place of the line `//@columns_half`.

const TWO_RUNS = true;

/** Eight weights of each of four outputs, by k, and the outputs' scales. */
struct Run {
  weights: array<vec4<f16>, 8>,
  scale: vec4f,
}

fn load(rows: vec4u, oct: u32) -> Run {
  var run: Run;
  for (var i = 0u; i < 2u; i++) {
    let w0 = vec4<f16>(unit4(rows.x, 2u * oct + i));
    let w1 = vec4<f16>(unit4(rows.y, 2u * oct + i));
    let w2 = vec4<f16>(unit4(rows.z, 2u * oct + i));
    let w3 = vec4<f16>(unit4(rows.w, 2u * oct + i));
    run.weights[4u * i] = vec4<f16>(w0.x, w1.x, w2.x, w3.x);
    run.weights[4u * i + 1u] = vec4<f16>(w0.y, w1.y, w2.y, w3.y);
    run.weights[4u * i + 2u] = vec4<f16>(w0.z, w1.z, w2.z, w3.z);
    run.weights[4u * i + 3u] = vec4<f16>(w0.w, w1.w, w2.w, w3.w);
  }
  let g = oct / 4u;
  run.scale = 8.0 * vec4f(unitScale(rows.x, g), unitScale(rows.y, g), unitScale(rows.z, g), unitScale(rows.w, g));
  return run;
}

/** Adds eight terms of one token. */
fn multiply(run: Run, token: u32, oct: u32, sum: vec4f) -> vec4f {
  let low = input(token, 2u * oct);
  let high = input(token, 2u * oct + 1u);
  var c = fma(vec4<f16>(low.x), run.weights[0], vec4<f16>());
  c = fma(vec4<f16>(low.y), run.weights[1], c);
  c = fma(vec4<f16>(low.z), run.weights[2], c);
  c = fma(vec4<f16>(low.w), run.weights[3], c);
  c = fma(vec4<f16>(high.x), run.weights[4], c);
  c = fma(vec4<f16>(high.y), run.weights[5], c);
  c = fma(vec4<f16>(high.z), run.weights[6], c);
  c = fma(vec4<f16>(high.w), run.weights[7], c);
  return fma(vec4f(c), run.scale, sum);
}
