const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = new Set([0x7b, 0x5b])
const CLOSE = new Set([0x7d, 0x5d])

/**
 * Cuts a byte stream into JSON objects and arrays, with or without anything between them (anvil puts nothing, geth a
 * newline). The returned function is fed chunks as they come and gives the texts that became complete.
 */
export function jsonFrames(): (chunk: Buffer) => string[] {
  const parts: Buffer[] = []
  let depth = 0
  let inString = false
  let escaped = false

  const followString = (byte: number): void => {
    if (escaped) escaped = false
    else if (byte === BACKSLASH) escaped = true
    else if (byte === QUOTE) inString = false
  }
  /** Follows one byte outside strings; true when it closes the outermost value. */
  const closes = (byte: number): boolean => {
    if (byte === QUOTE) inString = depth > 0
    else if (OPEN.has(byte)) depth += 1
    else if (CLOSE.has(byte)) return --depth === 0
    return false
  }

  return (chunk) => {
    const texts: string[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (inString) {
        followString(byte)
        continue
      }
      if (!closes(byte)) continue
      parts.push(chunk.subarray(start, at + 1))
      texts.push(Buffer.concat(parts.splice(0)).toString('utf8'))
      start = at + 1
    }
    if (start < chunk.length) parts.push(chunk.subarray(start))
    return texts
  }
}
