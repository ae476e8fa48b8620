/** What web-llm, its libraries and the GPU throw, as errors that say what to do. Errors of a worker arrive with name and message alone. */
import { PolylogueError } from '../../engine/errors';
import { WorkerFailedError } from '../../supervision';
import { RuntimeFilesError, VoiceDeviceError, VoiceError, VoiceModelError, VoiceWorkerError } from '../errors';

/** Is the device gone, so that a new worker may help? The package says so in several ways, or not at all. */
export function deviceLost(error: unknown): boolean {
  const { name, message } = said(error);
  if (/^(LostDeviceError|DeviceLostError|ModelNotLoadedError|WorkerEngineModelNotLoadedError)$/.test(name)) return true;
  return /device (was |is )?lost|map_async_result|(ModelNotLoaded|DeviceLost)Error|external instance reference/i.test(
    message,
  );
}

export function webLlmError(name: string, error: unknown): VoiceError {
  if (error instanceof VoiceError) return error;
  const options = { cause: error };
  if (error instanceof WorkerFailedError)
    return new VoiceWorkerError(
      name,
      `${error.happened} Resume the run, which begins a new one; if it happens again, take a smaller model or another runtime.`,
      options,
    );
  const { name: kind, message } = said(error);
  // Of the lab's own store, which says what to do.
  if (error instanceof PolylogueError) return new VoiceModelError(name, `${message}.`, options);
  if (deviceLost(error))
    return new VoiceDeviceError(
      name,
      `the device was lost (${message}), in a new worker too. Take a smaller model, or close other pages that use the GPU.`,
      options,
    );
  if (
    kind === 'NoAdapterError' ||
    /compatible GPU|WebGPUNotAvailable|WebGPUNotFound|WebGPU is not/i.test(`${kind} ${message}`)
  )
    return new VoiceDeviceError(
      name,
      'there is no GPU for it here. It needs WebGPU: take a newer browser or graphics driver, or seat transformers.js with the device wasm.',
      options,
    );
  if (kind === 'MissingFeatureError' || /FeatureSupport|F16Support/.test(kind) || /shader-f16/.test(message))
    return new VoiceDeviceError(name, `${message}. Take a model whose name has f32 in the place of f16.`, options);
  if (/exceeds limit|maxStorageBuffer|out of memory/i.test(message))
    return new VoiceDeviceError(name, `${message}. Take a smaller model.`, options);
  if (kind === 'UnknownModelError' || kind === 'ModelNotFoundError')
    return new VoiceModelError(name, `${message}. Or name a model and its library by their addresses.`, options);
  if (kind === 'OtherVersionError' || kind === 'LinkError' || /LinkError|Import #\d+/.test(message))
    return new VoiceModelError(
      name,
      `its library was made for another version of web-llm (${message}). Take a library of that version.`,
      options,
    );
  if (kind === 'CompileError' || /expected magic word|WebAssembly\.(Module|compile)/.test(message))
    return new VoiceModelError(
      name,
      `its library is no WebAssembly (${message}). Look at the library's address.`,
      options,
    );
  if (kind === 'MissingFileError' || /on 'Cache'|Cannot fetch/.test(message))
    return new VoiceModelError(
      name,
      `a file of the model is missing (${message}). Delete the model under Models and run again, which downloads it anew.`,
      options,
    );
  if (kind === 'ExitStatus' || /Program terminated with exit|IntegrityError/.test(`${kind} ${message}`))
    return new VoiceModelError(
      name,
      `its library gave up while it read the weights (${message}): weights and library do not belong together. Take both from one version.`,
      options,
    );
  if (/ContextWindowSizeExceeded/.test(kind) || /context window/i.test(message))
    return new VoiceModelError(
      name,
      `${message} Shorten the problems or the summaries, or take another model.`,
      options,
    );
  if (/dynamically imported|Failed to fetch|Importing a module/.test(message))
    return new RuntimeFilesError(name, `web-llm itself cannot be loaded (${message}). Reload the page.`, options);
  return new VoiceModelError(
    name,
    `${kind === 'Error' || kind === '' ? '' : `${kind}: `}${message}. Take another model, or seat another runtime.`,
    options,
  );
}

/** Some of what it throws are texts. */
function said(error: unknown): { name: string; message: string } {
  if (typeof error === 'string') return { name: /^(\w+Error)\b/.exec(error)?.[1] ?? '', message: tidy(error) };
  const { name = '', message } = (error ?? {}) as { name?: string; message?: string };
  return { name, message: tidy(message ?? String(error)) };
}

function tidy(message: string): string {
  return message.trim().replace(/\.$/, '').slice(0, 500);
}
