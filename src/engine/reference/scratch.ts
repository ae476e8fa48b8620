/** Arrays by name that live as long as the engine and grow on demand, so that steps do not allocate. */
export class Scratch {
  private readonly arrays = new Map<string, Float32Array>();

  /** The first `length` numbers of the array of this name; what was written there last, or zeros. */
  get(name: string, length: number): Float32Array {
    let array = this.arrays.get(name);
    if (array === undefined || array.length < length) {
      array = new Float32Array(length);
      this.arrays.set(name, array);
    }
    return array.length === length ? array : array.subarray(0, length);
  }

  zeros(name: string, length: number): Float32Array {
    return this.get(name, length).fill(0);
  }

  get bytes(): number {
    let sum = 0;
    for (const array of this.arrays.values()) sum += array.byteLength;
    return sum;
  }
}
