// Adapters kept as f32: takes the place of the line `//@adapters` in a kernel. Four neighbouring weights in memory are an AdapterQuad.

alias AdapterQuad = vec4f;

fn adapterQuad(stored: AdapterQuad) -> vec4f {
  return stored;
}
