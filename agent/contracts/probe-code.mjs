import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The runtime code of TokenProbe.sol, as small as solc makes it: it travels with every probe. */
export function compileProbe() {
  const sources = Object.fromEntries(
    ['TokenProbe', 'Interfaces'].map((name) => [`${name}.sol`, { content: readFileSync(here(`${name}.sol`), 'utf8') }]),
  )
  const settings = {
    evmVersion: 'cancun',
    viaIR: true,
    optimizer: { enabled: true, runs: 1 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['evm.deployedBytecode.object'] } },
  }
  const input = JSON.stringify({ language: 'Solidity', sources, settings })
  const { errors = [], contracts } = JSON.parse(require('solc').compile(input))
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join('\n'))
  return `0x${contracts['TokenProbe.sol'].TokenProbe.evm.deployedBytecode.object}`
}

/** Writes it where agent/dex/trade/probe.ts finds it: agents have no compiler. */
if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const text = `import type { Hex } from '../../src/protocol/units.ts'

/** Runtime code of agent/contracts/TokenProbe.sol: made by \`node agent/contracts/probe-code.mjs\`, held to it by a test. */
export const PROBE_CODE: Hex =
  '${compileProbe()}'
`
  writeFileSync(here('../dex/trade/probe-code.ts'), text)
}
