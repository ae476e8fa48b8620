/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) and gradient clipping, as torch.optim and torch.nn.utils do them. */
import type { HostTensor, OptimiserSettings, OptimiserState } from '../types';
import { powInteger } from '../math';

const f = Math.fround;

export function zeroState(tensors: ReadonlyMap<string, HostTensor>): OptimiserState {
  const zeros = (): Map<string, HostTensor> =>
    new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: new Float32Array(data.length) }]));
  return { step: 0, m: zeros(), v: zeros() };
}

/** Deep copy, so that a caller's state and the engine's never share arrays. */
export function copyState(state: OptimiserState): OptimiserState {
  const copy = (tensors: Map<string, HostTensor>): Map<string, HostTensor> =>
    new Map([...tensors].map(([name, { shape, data }]) => [name, { shape: shape.slice(), data: data.slice() }]));
  return { step: state.step, m: copy(state.m), v: copy(state.v) };
}

/** Global L2 norm: of each tensor first, then of the norms, as clip_grad_norm_ does. */
export function gradientNorm(gradients: ReadonlyMap<string, HostTensor>): number {
  let total = f(0);
  for (const { data } of gradients.values()) {
    let sum = f(0);
    for (let i = 0; i < data.length; i++) sum = f(sum + f(data[i] * data[i]));
    const norm = f(Math.sqrt(sum));
    total = f(total + f(norm * norm));
  }
  return f(Math.sqrt(total));
}

/** Scales the gradients in place by clip / (norm + 1e-6) when that is below 1. */
export function clipGradients(gradients: ReadonlyMap<string, HostTensor>, norm: number, clip: number): void {
  const factor = f(f(clip) / f(norm + f(1e-6)));
  if (!(factor < 1)) return;
  for (const { data } of gradients.values()) {
    for (let i = 0; i < data.length; i++) data[i] = f(data[i] * factor);
  }
}

/** One step on every tensor; advances the state. The bias corrections are 64-bit numbers rounded once, as in torch. */
export function adamwStep(
  parameters: ReadonlyMap<string, HostTensor>,
  gradients: ReadonlyMap<string, HostTensor>,
  state: OptimiserState,
  settings: OptimiserSettings,
  lr: number,
): void {
  state.step += 1;
  const { beta1, beta2, weightDecay } = settings;
  const stepSize = f(lr / (1 - powInteger(beta1, state.step)));
  const root = f(Math.sqrt(1 - powInteger(beta2, state.step)));
  const decay = f(1 - lr * weightDecay);
  const eps = f(settings.eps);
  const b1 = f(beta1);
  const b2 = f(beta2);
  const c1 = f(1 - beta1);
  const c2 = f(1 - beta2);
  for (const [name, { data: p }] of parameters) {
    const g = (gradients.get(name) as HostTensor).data;
    const m = (state.m.get(name) as HostTensor).data;
    const v = (state.v.get(name) as HostTensor).data;
    for (let i = 0; i < p.length; i++) {
      m[i] = f(f(b1 * m[i]) + f(c1 * g[i]));
      v[i] = f(f(b2 * v[i]) + f(f(c2 * g[i]) * g[i]));
      const denominator = f(f(f(Math.sqrt(v[i])) / root) + eps);
      p[i] = f(f(p[i] * decay) - f(stepSize * f(m[i] / denominator)));
    }
  }
}
