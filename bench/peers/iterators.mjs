/** Iterator helpers that Node has from version 22 on and jax-js counts on. */
const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

iterator.map ??= function* (change) {
  let index = 0;
  for (const value of this) yield change(value, index++);
};
iterator.filter ??= function* (keep) {
  let index = 0;
  for (const value of this) if (keep(value, index++)) yield value;
};
iterator.toArray ??= function () {
  return [...this];
};
