import { readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'

/**
 * The manifest of record with other counts, in which nothing is worth trading: agents that are measured idle do nothing else.
 * @param agents those of the profile `full`, shared out among the roles as there
 */
export function benchManifest(file, agents) {
  const manifest = parse(readFileSync(file, 'utf8'))
  manifest.minProfitWei = `1${'0'.repeat(30)}`
  const roles = Object.values(manifest.roles)
  const all = roles.reduce((sum, { counts }) => sum + counts.full, 0)
  let before = 0
  let given = 0
  for (const role of roles) {
    before += role.counts.full
    const count = Math.round((before * agents) / all) - given
    given += count
    role.counts = { ...role.counts, mini: 0, full: count }
    role.min = 0
    delete role.autoscale
  }
  return stringify(manifest)
}
