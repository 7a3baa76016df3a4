/** What was found out at a block and holds for some blocks more; of one chain instance at a time. */
export class Remembered<Key, Value> {
  readonly #blocks: number
  readonly #most: number
  readonly #known = new Map<Key, { value: Value; block: number }>()
  #instance = ''

  /** @param most how many are kept; the oldest goes first */
  constructor(blocks: number, most: number) {
    this.#blocks = blocks
    this.#most = most
  }

  /** @param block of now; what was found out after it is of a chain that was taken back */
  get(instance: string, key: Key, block: number): Value | undefined {
    if (instance !== this.#instance) return undefined
    const found = this.#known.get(key)
    return found && block >= found.block && block - found.block <= this.#blocks ? found.value : undefined
  }

  set(instance: string, key: Key, block: number, value: Value): void {
    if (instance !== this.#instance) this.#known.clear()
    this.#instance = instance
    this.#known.delete(key)
    this.#known.set(key, { value, block })
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#most && oldest !== undefined) this.#known.delete(oldest)
  }
}
