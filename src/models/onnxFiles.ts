/** Which files of a repository or a folder make a model in ONNX, in the layout of the hub: `onnx/model_<format>.onnx` beside the small files. */
import { UnsupportedModelError } from './errors';
import { isSmallFile, type ModelFile } from './manifest';

/** Behind the name of an ONNX file, by its format; others have their name. */
const SUFFIX: Readonly<Record<string, string>> = { fp32: '', q8: '_quantized' };
/** Formats that a seat may name (recipes/seats.ts), the most exact first. */
const FORMATS = ['fp32', 'fp16', 'q8', 'int8', 'uint8', 'q4', 'q4f16', 'bnb4'] as const;

const weightsOf = (format: string): string => `onnx/model${SUFFIX[format] ?? `_${format}`}.onnx`;

/** The formats in which a model's files have it; none where it is no model in ONNX. */
export function onnxFormats(paths: Iterable<string>): string[] {
  const there = new Set(paths);
  return FORMATS.filter((format) => there.has(weightsOf(format)));
}

/**
 * The files of one format.
 * @param model its name, for messages
 * @throws UnsupportedModelError naming what is missing, and the formats that are there
 */
export function onnxFiles(model: string, files: readonly ModelFile[], format: string): ModelFile[] {
  const weights = weightsOf(format);
  const has = new Set(files.map(({ path }) => path));
  const missing = [weights, 'config.json', 'tokenizer.json', 'tokenizer_config.json'].filter((path) => !has.has(path));
  if (missing.length > 0) {
    const others = [...has].filter((path) => /^onnx\/model.*\.onnx$/.test(path));
    const there =
      others.length > 0
        ? `There are ${others.join(', ')}: name the format behind #.`
        : 'Choose a repository with a folder onnx, as those of onnx-community.';
    const advice = has.has(weights) ? 'Choose a complete copy of it.' : there;
    throw new UnsupportedModelError(model, `${missing.join(' and ')} missing. ${advice}`);
  }
  // Weights above two gigabytes lie in files of their own.
  return files.filter(({ path }) => path === weights || path.startsWith(`${weights}_data`) || isSmallFile(path));
}
