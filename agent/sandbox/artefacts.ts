import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { AbiCoder, type InterfaceAbi, type JsonFragment, keccak256, type ParamType } from 'ethers'
import { z } from 'zod'
import { FleetError } from '../../src/protocol/errors.ts'
import { parse } from '../../src/protocol/json.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'

const AbiEntry = z.looseObject({ type: z.string(), inputs: z.array(z.looseObject({ type: z.string() })).optional() })
const Code = z.custom<Hex>((text) => typeof text === 'string' && text.startsWith('0x'))
const ArtefactSchema = z.object({
  abi: z.array(AbiEntry),
  bytecode: Code,
  /** Library name to the byte offsets where its address goes. */
  links: z.record(z.string(), z.array(z.int())),
  /** Only of our own contracts: the code as it lies on the chain, zeros where its constructor writes. */
  runtime: Code.optional(),
  /** Where in `runtime` the constructor writes: start and length in bytes. */
  immutables: z.array(z.tuple([z.int(), z.int()])).optional(),
  /** Of `runtime`, as solc writes it; its file numbers count `sources`. */
  sourceMap: z.string().optional(),
  sources: z.array(z.string()).optional(),
})
const FileSchema = z.object({ key: z.string(), contracts: z.record(z.string(), ArtefactSchema) })

/** What agent/sandbox/artefacts.mjs wrote: the contracts that the sandbox deploys, by name. */
export class Artefacts {
  readonly #contracts: z.output<typeof FileSchema>['contracts']

  constructor(contracts: z.output<typeof FileSchema>['contracts']) {
    this.#contracts = contracts
  }

  abi(name: string): InterfaceAbi {
    return this.#named(name).abi as JsonFragment[]
  }

  /** What is deployed, before libraries and arguments. */
  bytecode(name: string): Hex {
    return this.#named(name).bytecode
  }

  /** Bytecode with its libraries linked in, and the constructor's arguments behind it. */
  deployment(name: string, args: readonly unknown[] = [], libraries: Readonly<Record<string, Address>> = {}): Hex {
    const { abi, bytecode, links } = this.#named(name)
    let linked: string = bytecode
    for (const [library, places] of Object.entries(links)) {
      const at = libraries[library]
      if (at === undefined) throw missing(`${name} needs the library ${library}`)
      for (const place of places)
        linked = `${linked.slice(0, 2 + place * 2)}${at.slice(2)}${linked.slice(42 + place * 2)}`
    }
    const inputs = (abi.find((entry) => entry.type === 'constructor')?.inputs ?? []) as unknown as ParamType[]
    return `${linked}${AbiCoder.defaultAbiCoder().encode(inputs, args).slice(2)}` as Hex
  }

  /** The code of one of our own contracts as it lies on the chain, with zeros for what its constructor fills in. */
  runtime(name: string): Hex {
    const { runtime } = this.#named(name)
    if (runtime === undefined) throw missing(`the runtime code of ${name} is not kept`)
    return runtime
  }

  /** keccak256 of `runtime`: of a contract without immutables the code hash wherever it is deployed. */
  codeHash(name: string): Hex {
    return keccak256(this.runtime(name)) as Hex
  }

  /** Whether `code`, read from a chain, is that contract's, whatever its constructor wrote into it. */
  isCodeOf(name: string, code: Hex): boolean {
    const digits = code.slice(2).split('')
    for (const [start, length] of this.#named(name).immutables ?? []) digits.fill('0', start * 2, (start + length) * 2)
    return `0x${digits.join('')}`.toLowerCase() === this.runtime(name)
  }

  /** Of `runtime`: its map, and the files that the map's numbers count. */
  sourceMap(name: string): { map: string; sources: readonly string[] } {
    const { sourceMap = '', sources = [] } = this.#named(name)
    return { map: sourceMap, sources }
  }

  #named(name: string) {
    const artefact = this.#contracts[name]
    if (artefact === undefined) throw missing(`the contract ${name} is not in the sandbox's file`)
    return artefact
  }
}

/**
 * @param file default: `dist/sandbox/artefacts.json.gz` in the nearest folder above this code, built or not
 * @throws FleetError `unsupported` when it is missing, `malformed` when it is not what was built
 */
export function loadArtefacts(file: string | undefined = findFile()): Artefacts {
  if (file === undefined || !existsSync(file)) throw missing(`there is no ${file ?? 'dist/sandbox/artefacts.json.gz'}`)
  return new Artefacts(parse(FileSchema, gunzipSync(readFileSync(file)).toString(), file).contracts)
}

function findFile(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const file = join(folder, 'dist', 'sandbox', 'artefacts.json.gz')
    if (existsSync(file)) return file
    const above = dirname(folder)
    if (above === folder) return undefined
    folder = above
  }
}

function missing(what: string): FleetError {
  return new FleetError('unsupported', `The sandbox has nothing to deploy: ${what}`, {
    remedy: 'Run npm run build, which gathers the contracts from the development dependencies.',
  })
}
