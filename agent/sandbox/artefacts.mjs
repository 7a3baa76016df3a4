import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'

const require = createRequire(import.meta.url)
const sources = fileURLToPath(new URL('../contracts/', import.meta.url))
const OURS = ['ArbExecutor', 'SandboxDesk']
const PACKAGES = [
  ...['@uniswap/v2-core', '@uniswap/v3-core', '@uniswap/v4-core', '@aave/core-v3'],
  ...[
    '@balancer-labs/v2-vault',
    '@balancer-labs/v2-interfaces',
    '@balancer-labs/v2-solidity-utils',
    'solc',
    'solc-0.7',
  ],
]
const VAULT = '@balancer-labs/v2-vault/contracts/Vault.sol'

const aave = (path) => `@aave/core-v3/artifacts/contracts/${path}.sol/${path.split('/').pop()}.json`
const aaveLogic = (name) => aave(`protocol/libraries/logic/${name}`)
const THEIRS = [
  aave('dependencies/weth/WETH9'),
  aave('mocks/tokens/MintableERC20'),
  '@uniswap/v2-core/build/UniswapV2Factory.json',
  '@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json',
  '@uniswap/v4-core/out/PoolManager.sol/PoolManager.json',
  ...['BorrowLogic', 'BridgeLogic', 'EModeLogic', 'LiquidationLogic', 'PoolLogic', 'SupplyLogic'].map(aaveLogic),
  ...['ConfiguratorLogic', 'FlashLoanLogic'].map(aaveLogic),
  ...['PoolAddressesProvider', 'ACLManager'].map((name) => aave(`protocol/configuration/${name}`)),
  ...['Pool', 'PoolConfigurator', 'DefaultReserveInterestRateStrategy'].map((name) => aave(`protocol/pool/${name}`)),
  ...['AToken', 'StableDebtToken', 'VariableDebtToken'].map((name) => aave(`protocol/tokenization/${name}`)),
]

/**
 * Gathers the bytecode, ABI and link references of everything the sandbox deploys into one gzipped JSON file. What
 * others wrote comes out of their npm packages and is never committed; what is ours is compiled here, and its runtime
 * code kept too: by its hash a deployed ArbExecutor is recognised.
 *
 * @param {string} outFile written atomically; left alone when it is fresh
 * @returns {boolean} whether it was written
 */
export function buildArtefacts(outFile) {
  const theirsKey = keyOfTheirs()
  const key = keyOfAll(theirsKey)
  const before = readBefore(outFile)
  if (before.key === key) return false
  const theirs = before.theirsKey === theirsKey ? before.theirs : gatherTheirs()
  const contracts = { ...Object.fromEntries(theirs), ...Object.fromEntries(compileOurs()) }
  mkdirSync(dirname(outFile), { recursive: true })
  const written = `${outFile}.${process.pid}`
  writeFileSync(written, gzipSync(JSON.stringify({ key, theirsKey, contracts }), { level: 9 }))
  renameSync(written, outFile)
  return true
}

/** Hash of all that the others' part depends on: the packages' versions, this script. */
function keyOfTheirs() {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of PACKAGES) hash.update(require(`${name}/package.json`).version)
  return hash.digest('hex')
}

function keyOfAll(theirsKey) {
  const hash = createHash('sha256').update(theirsKey)
  for (const name of solidityFiles()) hash.update(name).update(readFileSync(`${sources}${name}`))
  return hash.digest('hex')
}

const solidityFiles = () =>
  readdirSync(sources)
    .filter((name) => name.endsWith('.sol'))
    .sort()

/** What the file holds: a change of our contracts leaves the others' as they are. */
function readBefore(file) {
  try {
    const { key, theirsKey, contracts } = JSON.parse(gunzipSync(readFileSync(file)).toString())
    return { key, theirsKey, theirs: Object.entries(contracts).filter(([name]) => !OURS.includes(name)) }
  } catch {
    return {}
  }
}

const gatherTheirs = () => [...THEIRS.map(readTheirs), compileVault()]

function readTheirs(path) {
  const name = path.split('/').pop().replace('.json', '')
  const { abi, bytecode, evm, linkReferences } = require(path)
  const code = bytecode?.object ?? bytecode ?? evm.bytecode.object
  return [name, { abi, bytecode: prefixed(code), links: flatten(linkReferences ?? {}) }]
}

/** Balancer publishes sources alone. With more optimiser runs than these the Vault is larger than a contract may be. */
function compileVault() {
  const settings = {
    optimizer: { enabled: true, runs: 400 },
    metadata: { bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  }
  const input = { language: 'Solidity', sources: { [VAULT]: { content: sourceOf(VAULT) } }, settings }
  const load = { import: (path) => ({ contents: sourceOf(path) }) }
  const { abi, evm } = compiled(require('solc-0.7').compile(JSON.stringify(input), load))[VAULT].Vault
  return ['Vault', { abi, bytecode: prefixed(evm.bytecode.object), links: {} }]
}

const sourceOf = (path) => readFileSync(require.resolve(path), 'utf8')

function compileOurs() {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      solidityFiles().map((name) => [name, { content: readFileSync(`${sources}${name}`, 'utf8') }]),
    ),
    settings: {
      evmVersion: 'cancun',
      viaIR: true,
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode', 'evm.deployedBytecode'] } },
    },
  }
  const contracts = compiled(require('solc').compile(JSON.stringify(input)))
  return OURS.map((name) => [name, ourArtefact(contracts[`${name}.sol`][name])])
}

function ourArtefact({ abi, evm: { bytecode, deployedBytecode } }) {
  const immutables = Object.values(deployedBytecode.immutableReferences ?? {}).flat()
  return {
    abi,
    bytecode: prefixed(bytecode.object),
    links: flatten(bytecode.linkReferences),
    runtime: prefixed(deployedBytecode.object),
    immutables: immutables.map(({ start, length }) => [start, length]),
    sourceMap: deployedBytecode.sourceMap,
    sources: solidityFiles(), // in the order of the map's file numbers
  }
}

/** @throws Error with what the compiler says, a warning of our own sources too */
function compiled(output) {
  const { errors = [], contracts } = JSON.parse(output)
  const ours = ({ severity, sourceLocation }) => severity === 'error' || !sourceLocation?.file.startsWith('@')
  const faults = errors.filter(ours)
  if (faults.length > 0) throw new Error(faults.map((fault) => fault.formattedMessage).join('\n'))
  return contracts
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
