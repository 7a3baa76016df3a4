/** Does the work for every value, so many at a time; what they give, in the order of the values. Ends at the first failure. */
export async function inEachOf<T, R>(
  values: readonly T[],
  atOnce: number,
  work: (value: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async () => {
    while (next < values.length) {
      const at = next++
      results[at] = await work(values[at] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, worker))
  return results
}
