// How a row is sampled: takes the place of the line `//@sampling_settings`.
//
// parts is 1; of a mixture it is the number of parts in the row of the first one, 0 in those of the others. share is the part's weight.

struct Settings {
  temperature: f32,
  topP: f32,
  topK: u32,
  key0: u32,
  key1: u32,
  counter1: u32,
  counter2: u32,
  counter3: u32,
  parts: u32,
  share: f32,
}
