/** Files of devices: one schema reads them, and the page of the docs is what the folder gives. */
import { describe, expect, it } from 'vitest';
import {
  DEVICE_FORMAT,
  DeviceFileError,
  readDeviceFile,
  writeDeviceFile,
  type DeviceFile,
} from '../../src/bench/deviceFile';
import { devicesPage, readDevices, readPage } from '../../tools/devices';

const SPEED = {
  what: 'decode' as const,
  rows: 8,
  adapters: 6,
  tokens: 512,
  seconds: 0.5,
  repetitions: 3,
  tokensPerSecond: 1024,
  gflopPerSecond: 1.5,
  gigabytesPerSecond: 2.5,
  predicted: 4096,
  bound: 'bandwidth' as const,
  share: 0.25,
};
const FILE: Omit<DeviceFile, 'format'> = {
  build: '0.2.0',
  date: '2026-01-31',
  runtime: 'Node 20.0.0',
  cores: 4,
  measurements: [
    {
      model: 'arithmetic-0.4m',
      hash: 'a'.repeat(64),
      parameters: 407_808,
      engine: 'webgpu',
      device: 'a | device <b>',
      software: true,
      threads: null,
      dtype: 'f32',
      cache: 'f32',
      rank: 8,
      budget: 1,
      ceilings: { copyGigabytesPerSecond: 9.5, copyBytes: 1 << 20, gflopPerSecond: 95, productGflopPerSecond: 40 },
      speeds: [SPEED],
    },
  ],
};

describe('a file of a device', () => {
  it('comes back as it was written', () => {
    expect(readDeviceFile('x', writeDeviceFile(FILE))).toEqual({ format: DEVICE_FORMAT, ...FILE });
  });

  it.each<[string, (file: Record<string, unknown>) => void, RegExp]>([
    ['another format', (file) => (file['format'] = 'x'), /x\.json: format/],
    ['a key that is not known', (file) => (file['more'] = 1), /x\.json: more/],
    ['a day that is none', (file) => (file['date'] = 'today'), /x\.json: date/],
    ['no measurement', (file) => (file['measurements'] = []), /x\.json: measurements/],
    ['a speed of nothing', (file) => (at(file, 'speeds')[0]!['tokensPerSecond'] = 0), /speeds\.0\.tokensPerSecond/],
    ['a speed without end', (file) => (at(file, 'speeds')[0]!['seconds'] = null), /speeds\.0\.seconds/],
  ])('is refused with %s', (_, change, message) => {
    const file = JSON.parse(writeDeviceFile(FILE)) as Record<string, unknown>;
    change(file);
    expect(() => readDeviceFile('x.json', JSON.stringify(file))).toThrow(DeviceFileError);
    expect(() => readDeviceFile('x.json', JSON.stringify(file))).toThrow(message);
  });

  it('is refused where it is no JSON, or too long', () => {
    expect(() => readDeviceFile('x.json', '{')).toThrow(/x\.json: it is no JSON/);
    expect(() => readDeviceFile('x.json', ' '.repeat(2 ** 20 + 1))).toThrow(/characters/);
  });
});

describe('the page of devices', () => {
  it('is what the committed files give; npm run devices writes it', () => {
    expect(readPage()).toBe(devicesPage(readDevices()));
  });

  it('shows a file as text, each figure with its share', () => {
    const page = devicesPage([{ name: 'x.json', file: { format: DEVICE_FORMAT, ...FILE } }]);
    expect(page).toContain('## arithmetic-0.4m in f32');
    expect(page).toContain('| a \\| device \\<b\\>, a software driver |  |  | 1,024 (25 %) |  |  |  |  |  |');
    expect(page).toContain('| 9.50 | 95.0 | 40.0 | 2026-01-31, version 0.2.0 | Node 20.0.0 | `x.json` |');
  });
});

function at(file: Record<string, unknown>, key: string): Record<string, unknown>[] {
  const [measurement] = file['measurements'] as Record<string, Record<string, unknown>[]>[];
  return measurement![key]!;
}
