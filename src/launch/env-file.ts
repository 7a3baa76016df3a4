import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { FleetError } from '../protocol/errors.ts'

/**
 * Reads `.env` of the working directory; what the environment says already wins.
 * @returns the fault when there is one that cannot be read
 */
export function loadEnvFile(): FleetError | undefined {
  if (!existsSync('.env')) return undefined
  try {
    readFileSync('.env') // says why it cannot: loadEnvFile does not
    process.loadEnvFile('.env')
    return undefined
  } catch (cause) {
    return new FleetError('config_invalid', `${path.resolve('.env')} cannot be read`, {
      remedy: 'Make it a file that this user may read, or remove it.',
      cause,
    })
  }
}
