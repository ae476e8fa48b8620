/** Long work goes to the device in parts, seen on a device that notes what it is given. */
import { describe, expect, it } from 'vitest';
import { Commands, type Dispatch } from '../../src/engine/gpu/commands';

/** What each submission held: workgroups of its dispatches in order, 'copy' for what is none, '|' where a pass begins. */
function notingDevice(): { device: GPUDevice; submitted: string[][] } {
  const submitted: string[][] = [];
  const createCommandEncoder = () => {
    const noted: string[] = [];
    const pass = {
      setPipeline: () => {},
      setBindGroup: () => {},
      dispatchWorkgroups: (x: number) => noted.push(String(x)),
      end: () => {},
    };
    return {
      beginComputePass: () => (noted.push('|'), pass),
      clearBuffer: () => noted.push('copy'),
      finish: () => noted,
    };
  };
  const queue = { submit: ([noted]: [string[]]) => submitted.push(noted) };
  return { device: { createCommandEncoder, queue } as unknown as GPUDevice, submitted };
}

const dispatch = (x: number, operations: number): Dispatch => ({
  pipeline: {} as GPUComputePipeline,
  bindGroup: null,
  groups: [x, 1, 1],
  operations,
});

describe('commands', () => {
  it('are submitted in order, in parts of at most so many operations', () => {
    const { device, submitted } = notingDevice();
    const commands = new Commands(device, 'test', 10);
    commands.dispatch(dispatch(1, 0));
    commands.dispatch(dispatch(2, 4));
    commands.dispatch(dispatch(3, 6));
    commands.dispatch(dispatch(4, 1));
    commands.outside((encoder) => encoder.clearBuffer({} as GPUBuffer));
    commands.dispatch(dispatch(5, 25));
    commands.dispatch(dispatch(6, 0));
    commands.dispatch(dispatch(7, 1));
    commands.submit();
    expect(submitted).toEqual([
      ['|', '1', '2', '3'],
      ['|', '4', 'copy'],
      ['|', '5'],
      ['|', '6', '7'],
    ]);
  });

  it('that are none submit nothing, and can be added to after a submission', () => {
    const { device, submitted } = notingDevice();
    const commands = new Commands(device, 'test', 10);
    commands.submit();
    expect(submitted).toEqual([]);
    for (const x of [1, 2]) {
      commands.dispatch(dispatch(x, 7));
      commands.submit();
    }
    expect(submitted).toEqual([
      ['|', '1'],
      ['|', '2'],
    ]);
  });
});
