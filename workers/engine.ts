/** The engine worker: owns the GPU device, the base weights and every adapter. Everything heavy is loaded on `open`. */
import { expose } from 'comlink';
import { NoWebGpuError } from '../src/engine/errors';
import { createEngineHost, type EngineSetup, type MadeEngine } from '../src/lab/engineHost';
import type { EngineSummary } from '../src/lab/types';

const REFERENCE_DEVICE = 'TypeScript, 32-bit';

async function probe(): Promise<EngineSummary> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return { kind: 'reference', device: REFERENCE_DEVICE, fallbackReason: noWebGpu() };
  const { vendor, architecture, description } = adapter.info;
  return { kind: 'webgpu', device: description || `${vendor} ${architecture}`.trim() || 'GPU', fallbackReason: null };
}

function noWebGpu(): string {
  return navigator.gpu
    ? 'this browser offers WebGPU but no adapter for it'
    : 'this browser does not offer WebGPU (Chrome 113, Edge 113, Safari 26 and Firefox 141 do)';
}

async function make({ model, choice, options }: EngineSetup): Promise<MadeEngine> {
  const { loadModel, urlSource } = await import('../src/engine/loader');
  const { weights, hash } = await loadModel(urlSource(model));
  let fallbackReason: string | null = null;
  if (choice !== 'reference') {
    try {
      if (!navigator.gpu) throw new NoWebGpuError(noWebGpu());
      const { WebGpuEngine } = await import('../src/engine/gpu/engine');
      return { engine: await WebGpuEngine.create(navigator.gpu, weights, options), hash, fallbackReason };
    } catch (error) {
      if (choice === 'webgpu' || !(error instanceof NoWebGpuError)) throw error;
      fallbackReason = error.message;
    }
  }
  const { ReferenceEngine } = await import('../src/engine/reference/engine');
  return { engine: await ReferenceEngine.create(weights, options), hash, fallbackReason };
}

const host = createEngineHost(probe, make);

/** The page hands over the port on which the lab worker will call. */
self.onmessage = (event: MessageEvent<{ connect: MessagePort }>) => expose(host, event.data.connect);
