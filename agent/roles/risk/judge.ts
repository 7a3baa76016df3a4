/** A rule of the risk block or the limits, by the name that it has there. */
export interface Rule<Facts> {
  name: string
  /** @returns why the rule refuses, with the figures; null when it has nothing against the trade */
  judge(facts: Facts): string | null
}

/** The first rule of a table that refuses, as text for the screen: `rule NAME: figures`. Null when none does. */
export function refusalBy<Facts>(rules: readonly Rule<Facts>[], facts: Facts): string | null {
  for (const { name, judge } of rules) {
    const why = judge(facts)
    if (why !== null) return `rule ${name}: ${why}`
  }
  return null
}
