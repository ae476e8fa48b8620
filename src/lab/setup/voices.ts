/** The runtimes that play some of a run's seats beside the engine: opened before the run starts, and closed when it ends. */
import { castOf, checkNeeds, frozenAdapters, placeOf } from '../../recipes/abilities';
import type { RunConfig } from '../../recipes/config';
import { recipeNamed } from '../../recipes';
import {
  filesFrom,
  originOf,
  runtimesOf,
  seatedRuntimes,
  type Contact,
  type RuntimeKind,
  type RuntimeSpec,
} from '../../recipes/seats';
import type { DownloadProgress } from '../../models/progress';
import { openEndpoint } from '../../runtimes/endpoint/voice';
import { VoiceError } from '../../runtimes/errors';
import { seatedRuntime } from '../../runtimes/seated';
import { givenNames, type Answer, type Question, type Runtime, type Voice } from '../../runtimes/types';

/** What opening a runtime gets. */
export interface VoiceRequest {
  spec: RuntimeSpec;
  config: RunConfig;
  signal: AbortSignal;
  /** A response grows: all of its text so far. */
  onText?: ((question: Question, text: string) => void) | undefined;
  /** Something got done. */
  onProgress?: (() => void) | undefined;
  /** Files of a runtime's model are being downloaded. @param name of the runtime */
  onDownload?: ((name: string, progress: DownloadProgress) => void) | undefined;
}

/** How runtimes are opened here. A kind without an entry does not run here. */
export type VoiceOpeners = Partial<
  Record<Exclude<RuntimeKind, 'endpoint'>, (request: VoiceRequest) => Promise<Voice>>
> & {
  /**
   * The key for a site; kept in memory only. Absent: no site may be asked.
   * @param gets what the site is sent @throws where it was not allowed
   */
  keyOf?(origin: string, gets: Contact['gets']): string | null;
};

export type Voices = ReadonlyMap<string, Voice>;

/**
 * Opens all runtimes that a configuration names.
 * @throws VoiceError and its kinds, ConfigurationError where one gives less than the recipe needs; what was open is closed again
 */
export async function openVoices(
  openers: VoiceOpeners,
  config: RunConfig,
  watching: Omit<VoiceRequest, 'spec' | 'config'>,
): Promise<Voices> {
  const voices = new Map<string, Voice>();
  try {
    for (const spec of runtimesOf(config)) {
      voices.set(spec.name, await openVoice(openers, { spec, config, ...watching }));
      watching.onProgress?.();
    }
    checkVoices(config, voices);
    return voices;
  } catch (error) {
    await closeVoices(voices);
    throw error;
  }
}

export async function closeVoices(voices: Voices): Promise<void> {
  await Promise.allSettled(Array.from(voices.values(), (voice) => voice.close()));
}

/** A run's runtime with its seats on these runtimes; the engine's own where it names none. */
export function seatedOn(
  engine: Runtime,
  config: RunConfig,
  voices: Voices,
  onResponse?: (question: Question, response: Answer) => void,
): Runtime {
  const seated = seatedRuntimes(config);
  if (seated.length === 0) return engine;
  const { agents } = recipeNamed(config.recipe).cast(config);
  return seatedRuntime({
    engine,
    voices,
    voiceOf: ({ agent, seat, at: { part } }) => placeOf(seated, agents, { agent, seat, part })?.runtime.name ?? null,
    frozen: frozenAdapters(config, { agents }),
    ...(onResponse && { onResponse }),
  });
}

/** Why a kind cannot be opened where nothing opens it. */
const NOT_HERE: Readonly<Record<Exclude<RuntimeKind, 'endpoint'>, string>> = {
  transformers: 'transformers.js does not run here.',
  'web-llm': 'web-llm needs the WebGPU of a browser: start this run in the page, or seat transformers.js or a server.',
};

/** Opens one runtime. @throws VoiceError and its kinds; what `keyOf` throws where a site was not allowed */
export async function openVoice(openers: VoiceOpeners, request: VoiceRequest): Promise<Voice> {
  const { spec, config, signal, onText, onProgress } = request;
  if (spec.kind === 'endpoint') {
    if (!openers.keyOf) throw new VoiceError(spec.name, 'no server may be asked here until you allow it.');
    const { name, address, option: model } = spec;
    const key = openers.keyOf(originOf(spec), 'prompts');
    return openEndpoint({ name, address, model, key, config, signal, onProgress, ...(onText && { onText }) });
  }
  const open = openers[spec.kind];
  if (!open) throw new VoiceError(spec.name, NOT_HERE[spec.kind]);
  for (const origin of filesFrom(spec)) {
    if (!openers.keyOf) throw new VoiceError(spec.name, `no file may be asked of ${origin} here until you allow it.`);
    openers.keyOf(origin, 'nothing');
  }
  return open(request);
}

/** @throws ConfigurationError where a runtime gives less than its kind can */
function checkVoices(config: RunConfig, voices: Voices): void {
  const recipe = recipeNamed(config.recipe);
  const { agents } = castOf(recipe, config);
  const kinds = new Map(runtimesOf(config).map(({ name, kind }) => [name, kind]));
  for (const [agent, needs] of Object.entries(recipe.needs?.(config) ?? {})) {
    const name = agents.find(({ id }) => id === agent)?.runtime;
    const [voice, kind] = [voices.get(name ?? ''), kinds.get(name ?? '')];
    if (voice && kind) checkNeeds(recipe.id, agent, needs, kind, givenNames(voice.can) as never);
  }
}
