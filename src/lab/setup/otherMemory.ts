/** Memory of the GPU that runtimes beside the engine take: as much as their weights, as far as their files are known. */
import type { FileSource } from '../../engine/source';
import { modelAddress } from '../../models/address';
import { listStoredModels } from '../../models/library';
import { totalBytes } from '../../models/manifest';
import type { ChunkStore } from '../../models/store';
import type { RunConfig } from '../../recipes/config';
import { isWebAddress, runtimesOf, type RuntimeSpec } from '../../recipes/seats';
import type { OtherMemory } from '../types';
import { optionsOf } from './onnxVoice';

interface Sources {
  openModel(address: string): Promise<FileSource>;
  openChunks?(): Promise<ChunkStore>;
}

/** @param base the page's address */
export async function otherMemory(config: RunConfig, sources: Sources, base: string): Promise<OtherMemory[]> {
  const there = runtimesOf(config).filter(
    ({ kind, option }) => kind === 'web-llm' || (kind === 'transformers' && optionsOf(option).device === 'webgpu'),
  );
  return Promise.all(
    there.map(async (spec) => ({ name: spec.name, bytes: await bytesOf(spec, sources, base).catch(() => null) })),
  );
}

async function bytesOf(spec: RuntimeSpec, { openModel, openChunks }: Sources, base: string): Promise<number | null> {
  const { kind, name, address } = spec;
  if (kind === 'web-llm' || isWebAddress(address)) {
    const stored = openChunks ? await listStoredModels(await openChunks()) : [];
    const found = stored.find(({ manifest }) => manifest?.seat?.name === name)?.manifest;
    return found ? totalBytes(found) : null;
  }
  const source = await openModel(modelAddress(address, base));
  const { dtype } = optionsOf(spec.option);
  return (await source.size?.(`onnx/model${dtype === 'fp32' ? '' : `_${dtype}`}.onnx`)) ?? null;
}
