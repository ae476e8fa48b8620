import { register } from 'tsx/esm/api';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
if (isMainThread) {
  const t=performance.now();
  const w = new Worker(new URL(import.meta.url));
  w.on('message', (m)=>{console.log('msg',m, performance.now()-t); if(m.done) w.terminate().then((c)=>{console.log('terminated',c,performance.now()-t);process.exit(0)});});
  w.on('error', e=>console.log('error',e)); w.on('exit',c=>console.log('exit',c));
} else {
  register();
  await import('./register.mjs');
  const { openNodeGpu } = await import('../../src/engine/gpu/node.ts');
  const k = await import('../../src/engine/gpu/kernels.ts');
  const gpu = await openNodeGpu();
  const a = await gpu.requestAdapter();
  parentPort.postMessage({a: a?.info?.description, k: Object.keys(k)});
  const d = await a.requestDevice();
  parentPort.postMessage({done:true, d: String(d)});
}
