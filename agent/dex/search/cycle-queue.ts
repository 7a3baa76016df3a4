/** Cycles by what they are worth, the most first. An entry outlives its value: whoever takes it compares the version. */
export class CycleQueue {
  readonly #entries: Entry[] = []

  push(entry: Entry): void {
    const heap = this.#entries
    let at = heap.length
    heap.push(entry)
    for (let up = (at - 1) >> 1; at > 0 && (heap[up] as Entry).value < entry.value; up = (at - 1) >> 1) {
      heap[at] = heap[up] as Entry
      at = up
    }
    heap[at] = entry
  }

  pop(): Entry | undefined {
    const heap = this.#entries
    const [first] = heap
    const last = heap.pop()
    if (heap.length === 0 || !last) return first
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down + 1 < heap.length && (heap[down + 1] as Entry).value > (heap[down] as Entry).value) down += 1
      if (down >= heap.length || (heap[down] as Entry).value <= last.value) break
      heap[at] = heap[down] as Entry
      at = down
    }
    heap[at] = last
    return first
  }
}

export interface Entry {
  value: number
  cycle: number
  /** Of the cycle's estimate that `value` was taken from. */
  version: number
}
