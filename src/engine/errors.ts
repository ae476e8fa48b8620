/** Typed errors of the engine and its files. Each message names what is wrong and, where it helps, what to do. */

export class PolylogueError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A file is missing or unreadable. */
export class FileError extends PolylogueError {
  constructor(
    readonly file: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: ${problem}`, options);
  }
}

/** A path leads to no regular file: a folder, a pipe, a socket, a device, or a file of /proc, which has content and no size. */
export class IrregularFileError extends FileError {}

/** A model's config.json asks for something this engine does not do, or lacks a field. */
export class ConfigError extends FileError {}

/** A configuration has keys that may change what is computed in a way that this engine does not know. */
export class UnknownKeysError extends ConfigError {
  /** @param keys to be ignored if the model is to be loaded all the same; a dot leads into an object */
  constructor(
    file: string,
    problem: string,
    readonly keys: readonly string[],
    options?: ErrorOptions,
  ) {
    super(file, problem, options);
  }
}

/** A safetensors file is truncated, inconsistent or lacks a tensor. */
export class SafetensorsError extends FileError {}

/** A weight is NaN or infinite. */
export class WeightValueError extends FileError {}

/** An adapter directory or its tensors do not fit PEFT's format or the model. */
export class AdapterError extends PolylogueError {}

/** A request to the engine is malformed (no ids, id outside the vocabulary, too long, unknown adapter). */
export class RequestError extends PolylogueError {}

/** There is no usable WebGPU device. */
export class NoWebGpuError extends PolylogueError {}

/** The device was lost or ran out of memory. */
export class DeviceError extends PolylogueError {}

/** The device is gone (driver restart, sleep, another tab's fault); a new one may work. */
export class DeviceLostError extends DeviceError {}

/** The work does not fit the device or the plan. */
export class MemoryPlanError extends PolylogueError {}

/** Something does not fit the device that smaller batches would not make smaller: a tensor of the model, the adapters. */
export class FixedSizeError extends MemoryPlanError {}

/** The device computes something else than the model: a driver's fault. */
export class SelfCheckError extends DeviceError {
  /** @param arithmetic of the products that came out wrong */
  constructor(
    message: string,
    readonly arithmetic: 'f32' | 'f16',
  ) {
    super(message);
  }
}

/** Where a number was found that is not finite. */
export interface NonFinitePlace {
  /** null = the base model without an adapter. */
  adapter: string | null;
  /** Of a training, from 0 as in its events. */
  step?: number;
  /** Index of the request in a generation or a scoring. */
  row?: number;
  /** Token of a completion (generation), or position whose logits are meant (scoring, logits), from 0. */
  position?: number;
}

/** A loss, gradient, logit or weight left the finite range: what follows from it means nothing. Trying again gives the same. */
export class NonFiniteError extends PolylogueError {
  constructor(
    message: string,
    readonly place: NonFinitePlace,
  ) {
    super(message);
  }
}

/** An adapter's gradient was exactly 0 for a whole pass over its examples while its loss was not: it learns nothing any more. */
export class DeadTrackError extends PolylogueError {
  constructor(
    message: string,
    readonly place: { adapter: string; step: number },
  ) {
    super(message);
  }
}
