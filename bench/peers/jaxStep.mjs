/**
 * The training step of the bench in jax-js on WASM (one thread in Node): forward, backward and AdamW of several adapters at once, compiled
 * whole. Plain JavaScript, since the package's types are there only where it is installed. In jax-js whoever is given an array uses it up;
 * `.ref` keeps it for another use.
 */
import './iterators.mjs';
import { grad, init, defaultDevice, jit, nn, numpy as np } from '@jax-js/jax';

const BLOCKS = { q: 'self_attn', k: 'self_attn', v: 'self_attn', o: 'self_attn', g: 'mlp', u: 'mlp', d: 'mlp' };

/** x · Wᵀ */
const timesTransposed = (x, w) => np.matmul(x, np.matrixTranspose(w));
const array = ({ data, shape }) => np.array(data, { shape });

/**
 * @param model {config, tensors} with tensors by Hugging Face name, {shape, data}
 * @param adapters for each adapter a map from "layer.projection.A" and ".B" to {shape, data}
 * @param work {ids: number[][] (the rows of each adapter, of equal length), scaling, optimiser: {lr, beta1, beta2, eps, weightDecay, clip}}
 * @returns step(): does one and gives the mean loss of each adapter before it
 */
export async function jaxStep(model, adapters, { ids, scaling, optimiser }) {
  await init('wasm');
  defaultDevice('wasm');
  const { config, tensors } = model;
  const A = adapters.length;
  const [R, T] = [ids.length, ids[0].length];
  const weight = new Map([...tensors].map(([name, tensor]) => [name, array(tensor)]));
  const use = (name) => weight.get(name).ref;
  const { cos, sin } = angles(config, T);
  const { input, targets } = embedded(config, tensors, ids, A);

  const norm = (x, name) => {
    const mean = np.square(x.ref).mean(-1, { keepdims: true });
    return x.div(np.sqrt(mean.add(config.rmsNormEps))).mul(use(name));
  };
  /** x [A, N, in] → [A, N, out], the adapter's part added. */
  const linear = (x, p, layer, projection) => {
    const name = `model.layers.${layer}.${BLOCKS[projection[0]]}.${projection}.weight`;
    const low = timesTransposed(x.ref, p[`${layer}.${projection}.A`]);
    const high = timesTransposed(low, p[`${layer}.${projection}.B`]);
    return timesTransposed(x, use(name)).add(high.mul(scaling));
  };
  const turn = (x) => {
    const [a, b] = np.split(x.ref, 2, -1);
    return x.mul(cos.ref).add(np.concatenate([b.neg(), a], -1).mul(sin.ref));
  };
  const { numHeads, numKvHeads, headDim } = config;
  const heads = (x, count) => x.reshape([A * R, T, count, headDim]);
  const block = (x, p, layer) => {
    const n = norm(x.ref, `model.layers.${layer}.input_layernorm.weight`);
    const q = turn(heads(linear(n.ref, p, layer, 'q_proj'), numHeads));
    const k = turn(heads(linear(n.ref, p, layer, 'k_proj'), numKvHeads));
    const v = heads(linear(n, p, layer, 'v_proj'), numKvHeads);
    const mixed = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([A, R * T, numHeads * headDim]);
    const attended = x.add(linear(mixed, p, layer, 'o_proj'));
    const m = norm(attended.ref, `model.layers.${layer}.post_attention_layernorm.weight`);
    const act = nn.silu(linear(m.ref, p, layer, 'gate_proj')).mul(linear(m, p, layer, 'up_proj'));
    return attended.add(linear(act, p, layer, 'down_proj'));
  };
  /** Mean loss of each adapter [A]; p is used up. */
  const losses = (p) => {
    let x = input.ref;
    for (let layer = 0; layer < config.numLayers; layer++) x = block(x, p, layer);
    const logits = timesTransposed(norm(x, 'model.norm.weight'), use('model.embed_tokens.weight'));
    const right = nn.logSoftmax(logits, -1).mul(targets.ref).sum(-1);
    return right.sum(-1).div(-R * (T - 1));
  };

  const names = Object.keys(adapters[0]);
  const zeros = () => Object.fromEntries(names.map((name) => [name, np.zeros([A, ...adapters[0][name].shape])]));
  const state = {
    p: Object.fromEntries(names.map((name) => [name, np.stack(adapters.map((adapter) => array(adapter[name])))])),
    m: zeros(),
    v: zeros(),
  };
  const gradient = grad(
    (p) => {
      const each = losses(p);
      return [each.ref.sum(), each];
    },
    { hasAux: true },
  );
  const { lr, beta1, beta2, eps, weightDecay, clip } = optimiser;
  const compiled = jit(({ p, m, v }, step) => {
    const kept = Object.fromEntries(names.map((name) => [name, p[name].ref]));
    const [g, each] = gradient(p);
    const squares = names.map((name) => np.square(g[name].ref).sum([1, 2]));
    const length = np.sqrt(squares.reduce((sum, one) => sum.add(one)));
    const factor = clip === null ? np.ones([A]) : np.minimum(np.array(1), np.array(clip).div(length.add(1e-6)));
    const scale = factor.reshape([A, 1, 1]);
    const one = np.array(1);
    const stepSize = np.array(lr).div(one.ref.sub(np.power(np.array(beta1), step.ref)));
    const root = np.sqrt(one.sub(np.power(np.array(beta2), step)));
    const next = { p: {}, m: {}, v: {} };
    for (const name of names) {
      const clipped = g[name].mul(scale.ref);
      next.m[name] = m[name].mul(beta1).add(clipped.ref.mul(1 - beta1));
      next.v[name] = v[name].mul(beta2).add(np.square(clipped).mul(1 - beta2));
      const below = np.sqrt(next.v[name].ref).div(root.ref).add(eps);
      const change = next.m[name].ref.div(below).mul(stepSize.ref);
      next.p[name] = kept[name].mul(1 - lr * weightDecay).sub(change);
    }
    return [next, each];
  });
  let current = state;
  let steps = 0;
  return async () => {
    steps++;
    const [next, each] = compiled(current, np.array(steps));
    current = next;
    return [...(await each.data())];
  };
}

/** Products of x [tokens, inputs] with each matrix, in one call. @returns once(): does them and waits */
export async function jaxProducts(x, matrices, tokens, inputs, outputs) {
  await init('wasm');
  defaultDevice('wasm');
  const a = np.array(x, { shape: [tokens, inputs] });
  const all = matrices.map((w) => np.array(w, { shape: [outputs, inputs] }));
  const products = jit((x, ws) => {
    const ys = ws.map((w) => timesTransposed(x.ref, w));
    x.dispose();
    return ys;
  });
  return async () => {
    for (const y of products(
      a.ref,
      all.map((w) => w.ref),
    )) {
      await y.blockUntilReady();
      y.dispose();
    }
  };
}

/** cos and sin [T, 1, Dh], halves repeated. */
function angles({ headDim, ropeTheta }, T) {
  const make = (f) =>
    np.array(
      Float32Array.from({ length: T * headDim }, (_, i) => {
        const at = (i % headDim) % (headDim / 2);
        return f(Math.floor(i / headDim) / ropeTheta ** ((2 * at) / headDim));
      }),
      { shape: [T, 1, headDim] },
    );
  return { cos: make(Math.cos), sin: make(Math.sin) };
}

/** What the frozen embedding makes of the rows [A, N, D], and 1 at the next token of each position [A, N, V], none after the last. */
function embedded({ hiddenSize: D, vocabSize: V }, tensors, ids, A) {
  const table = tensors.get('model.embed_tokens.weight').data;
  const flat = ids.flat();
  const [N, T] = [flat.length, ids[0].length];
  const x = new Float32Array(A * N * D);
  const y = new Float32Array(A * N * V);
  for (let a = 0; a < A; a++) {
    flat.forEach((id, n) => {
      x.set(table.subarray(id * D, (id + 1) * D), (a * N + n) * D);
      if (n % T < T - 1) y[(a * N + n) * V + flat[n + 1]] = 1;
    });
  }
  return { input: np.array(x, { shape: [A, N, D] }), targets: np.array(y, { shape: [A, N, V] }) };
}
