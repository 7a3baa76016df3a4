import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { FleetError } from '../../../protocol/errors.ts'
import type { ContextFile } from '../provision.ts'

const BLOCK = 512
/** The same bytes for the same files: the builder's cache looks at the content and the mode, not at the time. */
const MTIME = 0

/** Files as a tar stream (ustar), root's, without folders: the builder makes those itself. */
export async function* tar(files: readonly ContextFile[]): AsyncGenerator<Buffer> {
  for (const file of files) {
    const size = 'content' in file ? file.content.length : (await stat(file.path)).size
    yield header(file.name, file.mode, size)
    if ('content' in file) yield file.content
    else yield* createReadStream(file.path, size === 0 ? {} : { end: size - 1 })
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
  }
  yield Buffer.alloc(2 * BLOCK)
}

function header(name: string, mode: number, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const { prefix, base } = splitName(name)
  block.write(base, 0, 100)
  block.write(octal(mode, 8), 100)
  block.write(octal(0, 8), 108) // uid
  block.write(octal(0, 8), 116) // gid
  block.write(octal(size, 12), 124)
  block.write(octal(MTIME, 12), 136)
  block.write(' '.repeat(8), 148) // the checksum counts itself as spaces
  block.write('0', 156) // a regular file
  block.write('ustar\0' + '00', 257)
  block.write(prefix, 345, 155)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Names above 100 bytes are split at a slash. */
function splitName(name: string): { prefix: string; base: string } {
  if (Buffer.byteLength(name) <= 100) return { prefix: '', base: name }
  for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
    const [prefix, base] = [name.slice(0, slash), name.slice(slash + 1)]
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(base) <= 100) return { prefix, base }
  }
  throw new FleetError('internal', `the name ${name} is too long for a build context`, {
    remedy: 'Report it: the name must be split otherwise.',
  })
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`
