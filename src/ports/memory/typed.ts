import type { z } from 'zod'
import { decode } from '../../protocol/json.ts'
import type { SharedMemory } from './memory.ts'

/** Reads a key and checks it; undefined when it is absent. */
export async function readAs<S extends z.ZodType>(
  memory: SharedMemory,
  key: string,
  schema: S,
): Promise<{ value: z.output<S>; version: number } | undefined> {
  const entry = await memory.read(key)
  return entry && { value: decode(schema, entry.value, `${key} in shared memory`), version: entry.version }
}

/** Reads all keys under a prefix and checks each. */
export async function listAs<S extends z.ZodType>(
  memory: SharedMemory,
  prefix: string,
  schema: S,
): Promise<z.output<S>[]> {
  return (await memory.list(prefix)).map((entry) => decode(schema, entry.value, `${entry.key} in shared memory`))
}

/** Reads a stream and checks each entry. */
export async function streamAs<S extends z.ZodType>(
  memory: SharedMemory,
  stream: string,
  schema: S,
  options?: { after?: string; last?: number },
): Promise<{ id: string; value: z.output<S> }[]> {
  const entries = await memory.stream(stream).read(options)
  return entries.map((entry) => ({
    id: entry.id,
    value: decode(schema, entry.value, `stream ${stream} in shared memory`),
  }))
}

/** Reads, changes and writes a key until no other writer came between. `change` may be called more than once. */
export async function update<S extends z.ZodType>(
  memory: SharedMemory,
  key: string,
  schema: S,
  change: (current: z.output<S> | undefined) => z.output<S> | undefined,
  ttlMs?: number,
): Promise<z.output<S> | undefined> {
  for (;;) {
    const current = await readAs(memory, key, schema)
    const next = change(current?.value)
    if (next === undefined) return current?.value
    const done = await memory.write(key, next, {
      expect: current?.version ?? 'absent',
      ...(ttlMs === undefined ? {} : { ttlMs }),
    })
    if (done !== undefined) return next
  }
}
