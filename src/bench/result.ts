/** A measurement as a device's file holds it. */
import type { Engine, WeightDtype } from '../engine/types';
import { adapterDtype, cacheDtype } from '../engine/plan';
import type { Measurement } from './deviceFile';
import { measureEngine, rounded, type Speed } from './measure';
import { Roofline, type Ceilings } from './roofline';

export interface MeasureRequest {
  engine: Engine;
  /** As people call the model. */
  model: string;
  /** sha-256 of its weight files; null = random weights. */
  hash: string | null;
  /** Threads that compute; null of a GPU. */
  threads: number | null;
  dtype: WeightDtype;
  rank: number;
  rows: readonly number[];
  /** Seconds for a measurement, and repetitions at most. */
  budget: number;
  repeat: number;
  ceilings: Ceilings | null;
}

export type About = Omit<Measurement, 'speeds'>;

/** What is measured, before the first number. */
async function aboutEngine(request: MeasureRequest): Promise<{ about: About; roofline: Roofline }> {
  const { engine, dtype, rank, ceilings } = request;
  const { kind, device, config } = engine.info;
  // What the engine has chosen; engines without a report choose f32.
  const cache = (await engine.report?.())?.cache ?? engine.info.cache ?? cacheDtype({ dtype }, 'f32');
  const adapters = adapterDtype({ dtype }, engine.info.arithmetic ?? 'f32');
  const roofline = new Roofline(config, { dtype, cache, adapters }, rank);
  const { layers, head } = roofline.parameters;
  const { model, hash, threads, budget } = request;
  const software = ceilings?.software ?? false;
  const about = { model, hash, parameters: layers + head, engine: kind, device, software, threads };
  return {
    about: { ...about, dtype, cache, rank, budget, ceilings: ceilings && inFile(ceilings) },
    roofline,
  };
}

/** Who hears of a measurement while it goes on. */
export interface Listener {
  onAbout(about: About): void;
  onSpeed(speed: Speed): void;
}

/** Measures everything. */
export async function measureAll(request: MeasureRequest, { onAbout, onSpeed }: Listener): Promise<Measurement> {
  const { about, roofline } = await aboutEngine(request);
  onAbout(about);
  const speeds: Speed[] = [];
  for await (const speed of measureEngine({ ...request, roofline })) {
    speeds.push(speed);
    onSpeed(speed);
  }
  return { ...about, speeds };
}

function inFile({ copyBandwidth, copyBytes, peak, gemm }: Ceilings): NonNullable<Measurement['ceilings']> {
  return {
    copyGigabytesPerSecond: rounded(copyBandwidth / 1e9),
    copyBytes,
    gflopPerSecond: rounded(peak / 1e9),
    productGflopPerSecond: gemm === null ? null : rounded(gemm / 1e9),
  };
}
