// esbuild plugins that leave out of the bundles what no process of ours uses: each agent would parse and hold it.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const REDIS_ADAPTER = fileURLToPath(new URL('../ports/memory', import.meta.url))
const IOREDIS = path.dirname(createRequire(import.meta.url).resolve('ioredis'))

/** Errors come in English. Without the other forty languages zod holds 1.3 MB less, of 6.5 in a process. */
const zodInEnglish = {
  name: 'zod-in-english',
  setup: (build) =>
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    })),
}

/**
 * Ioredis makes methods and tables for each of Redis's 301 commands, 5.3 MB of the 8 MB that it holds. Ours are those that
 * the adapter calls, and that ioredis itself does: found in the sources, so that a new one is there by being called.
 */
const redisCommands = {
  name: 'redis-commands',
  setup: (build) =>
    build.onLoad({ filter: /[\\/]@ioredis[\\/]commands[\\/]built[\\/]commands\.json$/ }, ({ path: file }) => {
      const called = calledMethods([...sourcesIn(REDIS_ADAPTER, '.ts'), ...sourcesIn(IOREDIS, '.js')])
      const all = Object.entries(JSON.parse(readFileSync(file, 'utf8')))
      const kept = Object.fromEntries(all.filter(([name]) => called.has(name)))
      return { contents: JSON.stringify(kept), loader: 'json' }
    }),
}

function calledMethods(files) {
  const calls = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\.([a-z]+)\(/g)])
  return new Set(calls.map(([, method]) => method))
}

const sourcesIn = (folder, ending) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))

/** Ioredis and amqplib require TLS whether they use it or not: 1.2 MB, loaded when the first such connection is made. */
const tlsWhenUsed = {
  name: 'tls-when-used',
  setup(build) {
    build.onResolve({ filter: /^(node:)?tls$/ }, ({ importer }) =>
      /[\\/](ioredis|amqplib)[\\/]/.test(importer) ? { path: 'tls', namespace: 'when-used' } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: 'when-used' }, () => ({
      contents: "exports.connect = (...given) => require('node:tls').connect(...given)",
    }))
  },
}

/** To find out that it is not on Cloudflare, pg makes a Response, which loads all of Node's fetch: 5 MB and 45 ms. */
const pgOnNode = {
  name: 'pg-on-node',
  setup: (build) =>
    build.onLoad({ filter: /[\\/]pg[\\/]lib[\\/]stream\.js$/ }, ({ path: file }) => {
      const source = readFileSync(file, 'utf8')
      const asks = 'if (isCloudflareRuntime()) {'
      if (!source.includes(asks)) throw new Error(`${file} no longer asks for Cloudflare as it did: look at it again`)
      return { contents: source.replace(asks, 'if (false) {') }
    }),
}

export const lightPlugins = [zodInEnglish, redisCommands, tlsWhenUsed, pgOnNode]
