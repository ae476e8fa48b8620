/** What transformers.js and ONNX Runtime throw, as errors that say what to do. Errors of a worker arrive with name and message alone. */
import { WorkerFailedError } from '../../supervision';
import { RuntimeFilesError, VoiceDeviceError, VoiceError, VoiceModelError, VoiceWorkerError } from '../errors';
import type { OnnxSetup } from './work';

/** Is the device gone, so that a new worker may help? In the same one every further model fails alike. */
export function deviceLost({ device }: Pick<OnnxSetup, 'device'>, error: unknown): boolean {
  return (
    device === 'webgpu' && /map_async_result|device (was |is )?lost|OrtRun\(\).*ERROR_CODE: 1\b/i.test(messageOf(error))
  );
}

export function onnxError(name: string, setup: Pick<OnnxSetup, 'device' | 'dtype'>, error: unknown): VoiceError {
  if (error instanceof VoiceError) return error;
  const message = messageOf(error);
  const options = { cause: error };
  if (error instanceof WorkerFailedError)
    return new VoiceWorkerError(
      name,
      `${error.happened} Resume the run, which begins a new one; if it happens again, take a smaller model or another runtime.`,
      options,
    );
  if (deviceLost(setup, error))
    return new VoiceDeviceError(
      name,
      `the device was lost (${message}), and a new worker lost it again. Take the device wasm, or close other pages that use the GPU.`,
      options,
    );
  if (/no available backend found|webgpuInit/i.test(message))
    return setup.device === 'webgpu'
      ? new VoiceDeviceError(name, `there is no WebGPU here for it (${message}). Take the device wasm.`, options)
      : new RuntimeFilesError(
          name,
          `ONNX Runtime cannot be started (${message}). The site serves its files under runtimes/onnx/; look whether they are there.`,
          options,
        );
  if (/runtimes\/onnx|ort-wasm/i.test(message))
    return new RuntimeFilesError(name, `${message}. The site serves these files under runtimes/onnx/.`, options);
  return new VoiceModelError(
    name,
    `${inWords(message)}. A model for it has config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx (here in ${setup.dtype}).`,
    options,
  );
}

/** What the library says of files, without the addresses and switches that stand only inside the lab. */
function inWords(message: string): string {
  const [, missing] = /not found locally at "https:\/\/model\.invalid\/model\/([^"]+)"/.exec(message) ?? [];
  if (missing !== undefined) return `${missing} is missing`;
  if (/protobuf parsing failed/.test(message))
    return `its ONNX file is damaged, cut off or none; copy it again (${message})`;
  return message;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\.$/, '').slice(0, 500);
}
