#!/usr/bin/env node
// The launcher: loads the build that dist/current names, or says in one line how to make one.
import { readFileSync } from 'node:fs'

const dist = new URL('../dist/', import.meta.url)
let build
try {
  build = readFileSync(new URL('current', dist), 'utf8').trim()
} catch {
  process.stderr.write('arbdeck is not built: run `npm run build` in its folder (`npm ci` does it too).\n')
  process.exit(1)
}
await import(new URL(`${build}/arbdeck.js`, dist).href)
