/** Columns as wide as their widest cell, two blanks between; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows].map((row) => row.map(String))
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)))
  const numeric = head.map(
    (_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number' || row[i] === '-'),
  )
  const format = (row: readonly string[]) =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return cells.map(format).join('\n')
}

/** Wei as a decimal number of the native coin, exact, sign in front. */
export function coin(wei: bigint): string {
  const digits = (wei < 0n ? -wei : wei).toString().padStart(19, '0')
  const fraction = digits.slice(-18).replace(/0+$/, '')
  return `${wei < 0n ? '-' : ''}${digits.slice(0, -18)}${fraction ? `.${fraction}` : ''}`
}

export function megabytes(bytes: number | null): string | number {
  return bytes === null ? '-' : Math.round(bytes / 1_048_576)
}

export const shortHash = (hash: string): string => `${hash.slice(0, 10)}…`

export function timeOf(at: string): string {
  return at.slice(11, 19)
}
