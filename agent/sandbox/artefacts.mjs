import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'

const require = createRequire(import.meta.url)
const sources = fileURLToPath(new URL('../contracts/', import.meta.url))
const OURS = ['ArbExecutor', 'SandboxDesk']
const SOLIDITY = [...OURS, 'Interfaces']
const PACKAGES = ['@uniswap/v2-core', '@uniswap/v3-core', '@aave/core-v3', 'solc']

const aave = (path) => `@aave/core-v3/artifacts/contracts/${path}.sol/${path.split('/').pop()}.json`
const aaveLogic = (name) => aave(`protocol/libraries/logic/${name}`)
const THEIRS = [
  aave('dependencies/weth/WETH9'),
  aave('mocks/tokens/MintableERC20'),
  '@uniswap/v2-core/build/UniswapV2Factory.json',
  '@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json',
  ...['BorrowLogic', 'BridgeLogic', 'EModeLogic', 'LiquidationLogic', 'PoolLogic', 'SupplyLogic'].map(aaveLogic),
  ...['ConfiguratorLogic', 'FlashLoanLogic'].map(aaveLogic),
  ...['PoolAddressesProvider', 'ACLManager'].map((name) => aave(`protocol/configuration/${name}`)),
  ...['Pool', 'PoolConfigurator', 'DefaultReserveInterestRateStrategy'].map((name) => aave(`protocol/pool/${name}`)),
  ...['AToken', 'StableDebtToken', 'VariableDebtToken'].map((name) => aave(`protocol/tokenization/${name}`)),
]

/**
 * Gathers the bytecode, ABI and link references of everything the sandbox deploys into one gzipped JSON file. What
 * others wrote comes out of their npm packages and is never committed; what is ours is compiled here.
 *
 * @param {string} outFile written atomically; left alone when it is fresh
 * @returns {boolean} whether it was written
 */
export function buildArtefacts(outFile) {
  const key = freshnessKey()
  if (keyOf(outFile) === key) return false
  const contracts = Object.fromEntries([...THEIRS.map(readTheirs), ...compileOurs()])
  mkdirSync(dirname(outFile), { recursive: true })
  const written = `${outFile}.${process.pid}`
  writeFileSync(written, gzipSync(JSON.stringify({ key, contracts }), { level: 9 }))
  renameSync(written, outFile)
  return true
}

/** Hash of all that the result depends on: the packages' versions, our sources, this script. */
function freshnessKey() {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of PACKAGES) hash.update(require(`${name}/package.json`).version)
  for (const name of SOLIDITY) hash.update(readFileSync(`${sources}${name}.sol`))
  return hash.digest('hex')
}

function keyOf(file) {
  try {
    return JSON.parse(gunzipSync(readFileSync(file)).toString()).key
  } catch {
    return undefined
  }
}

function readTheirs(path) {
  const name = path.split('/').pop().replace('.json', '')
  const { abi, bytecode, evm, linkReferences } = require(path)
  return [name, { abi, bytecode: prefixed(bytecode ?? evm.bytecode.object), links: flatten(linkReferences ?? {}) }]
}

function compileOurs() {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      SOLIDITY.map((name) => [`${name}.sol`, { content: readFileSync(`${sources}${name}.sol`, 'utf8') }]),
    ),
    settings: {
      evmVersion: 'cancun',
      viaIR: true,
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.bytecode.linkReferences'] } },
    },
  }
  const { errors = [], contracts } = JSON.parse(require('solc').compile(JSON.stringify(input)))
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join('\n'))
  return OURS.map((name) => {
    const { abi, evm } = contracts[`${name}.sol`][name]
    return [name, { abi, bytecode: prefixed(evm.bytecode.object), links: flatten(evm.bytecode.linkReferences) }]
  })
}

const prefixed = (hex) => (hex.startsWith('0x') ? hex : `0x${hex}`)

/** Library name to the byte offsets where its address goes. */
function flatten(linkReferences) {
  return Object.fromEntries(
    Object.values(linkReferences)
      .flatMap((file) => Object.entries(file))
      .map(([library, places]) => [library, places.map((place) => place.start)]),
  )
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const outFile = process.argv[2] ?? fileURLToPath(new URL('../../dist/sandbox/artefacts.json.gz', import.meta.url))
  console.log(`${outFile}: ${buildArtefacts(outFile) ? 'written' : 'fresh'}`)
}
