import { chmodSync, chownSync, existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { GIVEN_FOLDER, type GivenFill, GivenFillsSchema, VOLUMES_FOLDER } from '../fleet/compose-init.ts'
import { type FleetSecrets, makeSecrets, secretVolumes, type VolumeContents } from '../fleet/secrets.ts'
import type { VolumeFile, VolumeFill } from '../ports/engine/provision.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { parse } from '../protocol/json.ts'
import { LimitsSchema, RiskSchema } from '../protocol/limits.ts'
import type { LogLevel } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import { secretFiles } from '../protocol/secrets.ts'

/** Where the volumes are (each a folder by its name), and the files that an operator gives. */
export interface Folders {
  volumes: string
  given: string
}

/** The process of compose files that fills a fleet's volumes with secrets, as its environment says. */
export function runSecretsInit(env: NodeJS.ProcessEnv = process.env): number {
  const log = (level: LogLevel, message: string) =>
    void process.stdout.write(`${JSON.stringify({ at: now(), level, message })}\n`)
  const said = (name: string): [string, string] => [env[name] ?? '', name]
  const folders = { volumes: VOLUMES_FOLDER, given: GIVEN_FOLDER }
  try {
    const contents = {
      limits: parse(LimitsSchema, ...said('ARBDECK_LIMITS')),
      risk: parse(RiskSchema, ...said('ARBDECK_RISK')),
    }
    fillSecrets(folders, env.ARBDECK_FLEET ?? '', contents)
    fillGiven(folders, parse(GivenFillsSchema, ...said('ARBDECK_FILLS')))
    log('info', 'the secrets of the fleet are there')
    return 0
  } catch (thrown) {
    const error = asFleetError(thrown)
    log('error', `${error.message}. ${error.remedy}`)
    return error.exitCode
  }
}

/**
 * Makes the secrets of a fleet that has none, and writes every file that says something else than it should. Several may do
 * so at once, and any of them may be killed: each secret is decided by who links its first file, whole, into place, and all
 * others follow that.
 */
export function fillSecrets({ volumes }: Folders, fleet: string, contents: VolumeContents): void {
  const made = makeSecrets()
  const layout = secretVolumes(fleet, made, contents)
  const secrets = Object.fromEntries(
    (Object.keys(made) as (keyof FleetSecrets)[]).map((name) => {
      const homes = layout.flatMap((fill) =>
        fill.files
          .filter((file) => file.name === secretFiles[name])
          .map((file) => ({ file, at: path.join(volumes, fill.volume, file.name) })),
      )
      return [name, settled(homes)]
    }),
  ) as unknown as FleetSecrets
  for (const fill of secretVolumes(fleet, secrets, contents)) write(volumes, fill)
}

/** What is there already, wherever it is; else what all agree on from now. */
function settled(homes: readonly { file: VolumeFile; at: string }[]): string {
  for (const { at } of homes) {
    const there = textOf(at)
    if (there) return there
  }
  const [home] = homes
  if (!home) throw new FleetError('internal', 'a secret has no volume', { remedy: 'Report it.' })
  const next = newFile(home.at, home.file)
  try {
    linkSync(next, home.at)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
  } finally {
    rmSync(next, { force: true })
  }
  return textOf(home.at) || settled(homes)
}

/** The Redis password last: where it is, the others are (src/launch/service.ts waits for it). */
function write(volumes: string, { volume, files, mode }: VolumeFill): void {
  const folder = path.join(volumes, volume)
  if (mode !== undefined) chmodSync(folder, mode)
  const last = (file: VolumeFile) => Number(file.name === secretFiles.redisPassword)
  for (const file of [...files].sort((a, b) => last(a) - last(b))) {
    const at = path.join(folder, file.name)
    if (existsSync(at) && readFileSync(at).equals(file.content)) continue
    renameSync(newFile(at, file), at)
  }
}

/** Whole, and its reader's, before it gets its name. */
function newFile(at: string, file: VolumeFile): string {
  const next = `${at}.${process.pid}-${Math.random().toString(36).slice(2)}.new`
  writeFileSync(next, file.content, { mode: 0o600, flag: 'wx' })
  chmodSync(next, file.mode)
  if (process.getuid?.() === 0) chownSync(next, file.uid, file.gid)
  return next
}

/** What the manifest's roles want: folders that they may write, and files that an operator gives. */
export function fillGiven({ volumes, given }: Folders, fills: readonly GivenFill[]): void {
  const missing = fills.flatMap(({ files }) =>
    files.filter(({ name }) => !existsSync(path.join(given, name))).map(({ name }) => name),
  )
  if (missing.length > 0)
    throw new FleetError('config_invalid', `the folder ARBDECK_SECRETS_DIR lacks ${missing.join(', ')}`, {
      remedy: 'Put each secret that the manifest names into a file of that name.',
    })
  for (const { files, mode, volume } of fills)
    write(volumes, {
      volume,
      ...(mode === undefined ? {} : { mode }),
      files: files.map((file) => ({ ...file, content: readFileSync(path.join(given, file.name)) })),
    })
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
