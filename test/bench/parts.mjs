import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = path.join(here, '../..')

/**
 * Runs one part of a bench, in a process of its own so that it does not measure what another left behind.
 * @param part `source` and what lies `beside` it, from test/bench; `folder` for the bundles, two below the root, as
 * test/fixtures is: what is found by a relative path is found from there too
 * @returns the JSON document that it prints
 */
export async function runPart({ source, beside = [], folder, args = [], nodeArgs = [], env = process.env, signal }) {
  const [entry] = await Promise.all([source, ...beside].map((one) => bundle(one, folder)))
  const child = spawn(process.execPath, [...nodeArgs, entry, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: root,
    env,
    signal,
  })
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  const [said, code] = await Promise.all([text(child.stdout), ended])
  if (code !== 0) throw new Error(`${path.basename(entry)} failed with exit ${code}; see above`)
  return JSON.parse(said)
}

async function bundle(source, folder) {
  const { build } = await import('esbuild')
  const outfile = path.join(folder, `${path.parse(source).name}.mjs`)
  await build({
    entryPoints: [path.join(here, source)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  })
  // As Node names it to itself: a part knows by that whether it is the one that was started.
  return realpathSync(outfile)
}
