/** Edit distance (insert, delete, replace, swap of neighbours). */
function distance(a: string, b: string): number {
  const row = (length: number) => Array.from({ length }, (_, i) => i)
  const table: number[][] = [row(b.length + 1)]
  for (let i = 1; i <= a.length; i++) {
    const line = [i]
    for (let j = 1; j <= b.length; j++) {
      const above = table[i - 1] as number[]
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((above[j] as number) + 1, (line[j - 1] as number) + 1, (above[j - 1] as number) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, ((table[i - 2] as number[])[j - 2] as number) + 1)
      line.push(best)
    }
    table.push(line)
  }
  return (table[a.length] as number[])[b.length] as number
}

/** The word most like `word`, when one is like it at all. */
export function nearest<W extends string>(word: string, words: readonly W[]): W | undefined {
  const ranked = words
    .map((candidate) => ({ candidate, off: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.off - b.off)
  const best = ranked[0]
  return best && best.off <= Math.max(2, Math.floor(word.length / 2)) ? best.candidate : undefined
}
