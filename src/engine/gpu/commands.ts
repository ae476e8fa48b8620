/** Work on its way to the device's queue. */
import { isWatched, worked } from '../work';

/**
 * Operations after which a submission ends (a multiply-add is two). Who holds a device for long loses it: Windows resets a GPU that does not
 * answer for two seconds, and the page's own pictures wait for the same queue. At an assumed 80 GFLOP/s of a weak integrated GPU
 * so much takes 0.2 s, at an assumed 8 TFLOP/s of a strong one 2 ms, which should be far more than a submission costs.
 */
export const OPERATIONS_PER_SUBMISSION = 16e9;

export interface Dispatch {
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup | null;
  groups: [number, number, number];
  /** Of the whole dispatch; 0 = few. */
  operations: number;
}

/** Collects dispatches and copies, which run in order, and submits them in parts of bounded work. */
export class Commands {
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  private operations = 0;

  constructor(
    private readonly device: GPUDevice,
    private readonly label: string,
    private readonly most = OPERATIONS_PER_SUBMISSION,
  ) {}

  dispatch({ pipeline, bindGroup, groups, operations }: Dispatch): void {
    if (this.operations > 0 && this.operations + operations > this.most) {
      this.submit();
      // The parts of long work are told of when the device is done with them; its end is told by whoever waits for it.
      if (isWatched()) this.device.queue.onSubmittedWorkDone().then(worked, () => {});
    }
    this.operations += operations;
    this.pass ??= this.open().beginComputePass({ label: this.label });
    this.pass.setPipeline(pipeline);
    this.pass.setBindGroup(0, bindGroup);
    this.pass.dispatchWorkgroups(...groups);
  }

  /** What is no dispatch: copies and clears. */
  outside(record: (encoder: GPUCommandEncoder) => void): void {
    this.pass?.end();
    this.pass = null;
    record(this.open());
  }

  /** Hands over what is left. */
  submit(): void {
    this.pass?.end();
    this.pass = null;
    if (this.encoder !== null) this.device.queue.submit([this.encoder.finish()]);
    this.encoder = null;
    this.operations = 0;
  }

  private open(): GPUCommandEncoder {
    return (this.encoder ??= this.device.createCommandEncoder({ label: this.label }));
  }
}
