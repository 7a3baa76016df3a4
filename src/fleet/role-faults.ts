import { type RoleName, RoleNameSchema, SERVICE_NAMES } from '../protocol/fleet.ts'
import { nearest } from '../protocol/nearest.ts'
import { QUEUE_ROLES } from '../protocol/task.ts'
import { imageFaults } from './image-faults.ts'
import { entriesOf, type Fault, type LineOf } from './yaml.ts'

/** A role as it stands in a manifest that is not known to be right. */
export interface WrittenRole {
  name: string
  spec: Partial<Record<string, unknown>>
  /** A fault of the role, at a path below it. */
  fault(at: readonly PropertyKey[], text: string): Fault
}

const PORT_MAX = 65_535
/** What this machinery calls its own volumes, without the fleet's name. */
const OWN_VOLUMES: readonly string[] = [...SERVICE_NAMES, 'etcd', 'prometheus', 'grafana', 'jaeger', 'nginx', 'project']
const OWN_FOLDERS = ['/tmp', '/run', '/app', '/project', '/proc', '/sys', '/dev', '/etc']

/** What RoleSpec cannot see: what contradicts itself, other roles, or names that are taken. */
export function roleFaults(manifest: unknown, lineOf: LineOf, ownRoles: readonly RoleName[]): Fault[] {
  const written = (manifest as { roles?: unknown } | null)?.roles
  const roles = entriesOf(written).map(
    ([name, spec]): WrittenRole => ({
      name,
      spec: Object.fromEntries(entriesOf(spec)),
      fault: (at, text) => ({ line: lineOf(['roles', name, ...at]), text: `roles.${[name, ...at].join('.')} ${text}` }),
    }),
  )
  const missing = written === undefined ? [] : QUEUE_ROLES.filter((name) => !roles.some((role) => role.name === name))
  return [
    ...missing.map((name) => ({ line: lineOf(['roles']), text: `roles.${name} is missing; every trade passes it` })),
    ...portFaults(roles),
    ...roles.flatMap((role) => [
      ...nameFaults(role, ownRoles),
      ...countFaults(role),
      ...scaleFaults(role),
      ...volumeFaults(role),
      ...imageFaults(role),
    ]),
  ]
}

function nameFaults({ name, spec, fault }: WrittenRole, ownRoles: readonly RoleName[]): Fault[] {
  if (!RoleNameSchema.safeParse(name).success) return [] // the schema says it
  if ((SERVICE_NAMES as readonly string[]).includes(name))
    return [fault([], 'has the name of a service of every fleet; choose another')]
  if (name.includes('__') || name.endsWith('_'))
    return [fault([], 'has __ or an _ at its end, which part role and tool in role__tool; choose another name')]
  const own = ownRoles.includes(name)
  if (own && spec.image !== undefined)
    return [fault(['image'], `is refused: ${name} is one of our own roles; give the image a name of its own`)]
  if (own && !spec.firstPort) return [fault(['firstPort'], 'is missing; our own roles listen there')]
  if (own || spec.image !== undefined) return []
  const guess = nearest(name, ownRoles)
  return [fault([], `is none of our own roles; ${guess ? `did you mean ${guess}? If not, ` : ''}give it an image`)]
}

/** Port ranges that overlap, or go past the last port. */
function portFaults(roles: readonly WrittenRole[]): Fault[] {
  const ranges = roles
    .flatMap(({ name, spec: { firstPort, max }, fault }) =>
      typeof firstPort === 'number' && firstPort > 0 && typeof max === 'number'
        ? [{ name, first: firstPort, last: firstPort + max - 1, fault }]
        : [],
    )
    .sort((a, b) => a.first - b.first)
  const faults: Fault[] = []
  let highest: (typeof ranges)[number] | undefined
  for (const range of ranges) {
    const { name, first, last } = range
    const say = (text: string) => faults.push({ ...range.fault(['firstPort'], ''), text })
    if (last > PORT_MAX)
      say(`the ports of ${name} (${first}-${last}) go past ${PORT_MAX}; move firstPort down or lower max`)
    if (highest && first <= highest.last)
      say(
        `the ports of ${name} (${first}-${last}) overlap those of ${highest.name} (${highest.first}-${highest.last}); move firstPort above ${highest.last} or lower max of ${highest.name}`,
      )
    if (!highest || last > highest.last) highest = range
  }
  return faults
}

/** Counts outside min and max, and min above max. */
function countFaults({ spec: { min = 0, max, counts }, fault }: WrittenRole): Fault[] {
  if (typeof min !== 'number' || typeof max !== 'number') return []
  if (min > max) return [fault(['min'], `is ${min}, above max ${max}; raise max or lower min`)]
  return entriesOf(counts).flatMap(([profile, count]) => {
    if (typeof count !== 'number') return []
    if (count > max) return [fault(['counts', profile], `is ${count}, above max ${max}; raise max or lower it`)]
    // Below 0 the schema says it.
    if (count < min && count >= 0)
      return [fault(['counts', profile], `is ${count}, below min ${min}; lower min or raise it`)]
    return []
  })
}

const CAUSES = ['queuePerAgent', 'oldestSeconds', 'cpuPercent'] as const

/** Autoscale rules that can never act, or act outside the role's bounds. */
function scaleFaults({ name, spec, fault }: WrittenRole): Fault[] {
  const { min = 0, max, autoscale } = spec
  if (typeof autoscale !== 'object' || autoscale === null) return []
  const rule = autoscale as Partial<Record<string, unknown>>
  const faults: Fault[] = []
  if (CAUSES.every((cause) => rule[cause] === undefined))
    faults.push(fault(['autoscale'], `has no cause to act on; give ${CAUSES.join(', ')}, or several, or remove it`))
  if (!QUEUE_ROLES.includes(name))
    for (const cause of ['queuePerAgent', 'oldestSeconds'])
      if (rule[cause] !== undefined)
        faults.push(fault(['autoscale', cause], `never acts: ${name} has no queue; use cpuPercent`))
  if (typeof rule.min === 'number' && typeof min === 'number' && typeof max === 'number')
    if (rule.min < min || rule.min > max)
      faults.push(fault(['autoscale', 'min'], `is ${rule.min}, outside ${min} to ${max}, the role's min and max`))
  return faults
}

/** Volumes that are ours, twice at one place, or over a folder that is taken. */
function volumeFaults({ spec: { volumes }, fault }: WrittenRole): Fault[] {
  const targets = new Set<string>()
  return entriesOf(volumes).flatMap(([key, volume]) => {
    const { name, target } = Object.fromEntries(entriesOf(volume))
    const at = ['volumes', Number(key)]
    const faults: Fault[] = []
    if (typeof name === 'string' && (OWN_VOLUMES.includes(name) || /^secrets(-|$)/.test(name)))
      faults.push(fault(at, `is named ${name}, as one of the fleet's own; choose another name`))
    if (typeof target !== 'string' || !target.startsWith('/')) return faults
    const folder = target.replace(/(?<=.)\/+$/, '')
    const taken = folder === '/' ? '/' : OWN_FOLDERS.find((own) => folder === own || folder.startsWith(`${own}/`))
    if (taken)
      faults.push(fault(at, `is put at ${target}, and ${taken} is taken; choose another target, such as /data`))
    if (/(^|\/)\.\.?(\/|$)/.test(folder))
      faults.push(fault(at, `is put at ${target}; write the target without . and ..`))
    if (targets.has(folder)) faults.push(fault(at, `is put at ${target}, where another one is; choose another target`))
    targets.add(folder)
    return faults
  })
}
