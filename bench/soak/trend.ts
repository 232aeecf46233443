/** One look at what the process holds. */
export interface Sample {
  readonly hour: number;
  /** Live objects and strings after a full collection; not compiled code. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly descriptors: number;
  readonly spoolBytes: number;
}

/** Growth an hour: the slope of the line with the least squares through the values. */
export function slope(points: readonly (readonly [hour: number, value: number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanHour = mean(points.map(([hour]) => hour));
  const meanValue = mean(points.map(([, value]) => value));
  let [above, below] = [0, 0];
  for (const [hour, value] of points) {
    above += (hour - meanHour) * (value - meanValue);
    below += (hour - meanHour) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** The growth an hour of one measure, over the samples from `fromHour` on. */
export function growth(samples: readonly Sample[], measure: Exclude<keyof Sample, 'hour'>, fromHour: number): number {
  return slope(samples.filter(({ hour }) => hour >= fromHour).map((sample) => [sample.hour, sample[measure]]));
}
