import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Where Linux has the control groups of all containers. */
export const CGROUP_ROOT = '/sys/fs/cgroup'
/** Where the controller has those of the machine, read-only. */
export const HOST_CGROUP_ROOT = '/run/arbdeck/host-cgroup'

/** What a container has used, and uses, as the kernel counts it. */
export interface Reading {
  cpuNs: number
  /** Without the page cache that the kernel takes back when it is needed, as `docker stats` counts it. */
  memoryBytes: number
  /** Of performance.now(). */
  atMs: number
}

/** Reads the files of one container; undefined once it has ended. */
export type CgroupReader = () => Reading | undefined

interface Layout {
  /** Folders below the root: where the CPU's files are, and where memory's. */
  cpu: string
  memory: string
  read(cpuFolder: string, memoryFolder: string): Omit<Reading, 'atMs'>
}

/** By the driver of the daemon: cgroupfs, systemd. */
const PLACES = [(id: string) => `docker/${id}`, (id: string) => `system.slice/docker-${id}.scope`]

const LAYOUTS: readonly Layout[] = [
  { cpu: '', memory: '', read: readV2 },
  { cpu: 'cpuacct', memory: 'memory', read: readV1 },
  { cpu: 'cpu,cpuacct', memory: 'memory', read: readV1 },
]

/**
 * The files of a container where this process can read them: on the daemon's machine itself, or in a container that was
 * handed the machine's cgroups. A container's id is in the path, so that nobody is taken for another.
 *
 * @param id in full
 */
export function findCgroup(
  id: string,
  roots: readonly string[] = [HOST_CGROUP_ROOT, CGROUP_ROOT],
): CgroupReader | undefined {
  for (const root of roots)
    for (const { cpu, memory, read } of LAYOUTS)
      for (const place of PLACES) {
        const [cpuFolder, memoryFolder] = [path.join(root, cpu, place(id)), path.join(root, memory, place(id))]
        if (existsSync(path.join(memoryFolder, 'memory.stat')) && existsSync(cpuFolder))
          return () => reading(() => read(cpuFolder, memoryFolder))
      }
  return undefined
}

function reading(read: () => Omit<Reading, 'atMs'>): Reading | undefined {
  try {
    return { ...read(), atMs: performance.now() }
  } catch {
    return undefined // its folder goes with the container
  }
}

function readV1(cpuFolder: string, memoryFolder: string): Omit<Reading, 'atMs'> {
  const used = Number(text(memoryFolder, 'memory.usage_in_bytes'))
  const cache = statOf(text(memoryFolder, 'memory.stat'), 'total_inactive_file')
  return { cpuNs: Number(text(cpuFolder, 'cpuacct.usage')), memoryBytes: Math.max(0, used - cache) }
}

function readV2(cpuFolder: string, memoryFolder: string): Omit<Reading, 'atMs'> {
  const used = Number(text(memoryFolder, 'memory.current'))
  const cache = statOf(text(memoryFolder, 'memory.stat'), 'inactive_file')
  return { cpuNs: statOf(text(cpuFolder, 'cpu.stat'), 'usage_usec') * 1_000, memoryBytes: Math.max(0, used - cache) }
}

const text = (folder: string, name: string): string => readFileSync(path.join(folder, name), 'utf8')

/** Of a line `NAME VALUE`; 0 without one. */
function statOf(lines: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(lines)?.[1] ?? 0)
}

/** 100 is one core; 0 when there is nothing to compare with. */
export function cpuPercent(before: { cpuNs: number; atMs: number }, now: { cpuNs: number; atMs: number }): number {
  const elapsedNs = (now.atMs - before.atMs) * 1_000_000
  if (!(elapsedNs > 0) || before.cpuNs === 0 || now.cpuNs < before.cpuNs) return 0
  return Math.round(((now.cpuNs - before.cpuNs) / elapsedNs) * 1_000) / 10
}
