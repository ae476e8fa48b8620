/** What can be told of a device from its adapter, before it is opened; a page asks this without loading the engine. */

export interface AdapterTraits {
  /** For people: vendor, architecture and description. */
  description: string;
  /** A software driver stands in for a GPU. */
  software: boolean;
  /** Such a driver, or to be treated as one. */
  isCpu: boolean;
  /** Of forward products with packed weights, where nothing else is asked for. */
  arithmetic: 'f32' | 'f16';
}

/** @param tiles which kernels; default by what the adapter says of itself */
export function adapterTraits(
  { info, features }: Pick<GPUAdapter, 'info' | 'features'>,
  tiles: 'auto' | 'cpu' | 'gpu' = 'auto',
): AdapterTraits {
  const words = [info.vendor, info.architecture, info.device, info.description].filter((word) => word !== '');
  const description = [...new Set(words)].join(' ') || 'unnamed adapter';
  const software = /llvmpipe|swiftshader|lavapipe|basic render/i.test(description) || info.isFallbackAdapter === true;
  const isCpu = tiles === 'auto' ? software : tiles === 'cpu';
  return { description, software, isCpu, arithmetic: features.has('shader-f16') && !isCpu ? 'f16' : 'f32' };
}
