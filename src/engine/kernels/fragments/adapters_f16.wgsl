// Adapters kept as f16 (adapter_halves), as adapters_f32 has them in f32. They are times a power of two, which their `scale` takes back.
// Needs no feature of the device.

alias AdapterQuad = vec2u;

fn adapterQuad(stored: AdapterQuad) -> vec4f {
  return vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y));
}
