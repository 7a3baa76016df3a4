import { createHash } from 'node:crypto'
import type { UnitSpec } from '../ports/engine/engine.ts'
import { replicaId, roleNames, roleSpec, type ServiceName, type Wanted } from '../protocol/fleet.ts'

/** What an embedded fleet consists of beside its agents; the reconciler itself is the controller. */
const SERVICES: readonly ServiceName[] = ['sandbox', 'hub', 'bot']

/** The units of an embedded fleet: services first, then agents in the order of the roles. */
export function embeddedUnits(wanted: Wanted): UnitSpec[] {
  const services = SERVICES.filter((name) => name !== 'sandbox' || wanted.chain === 'sandbox')
  const agents = roleNames(wanted.spec).flatMap((role) =>
    Array.from({ length: wanted.counts[role] ?? 0 }, (_, i) => ({ role, replica: i + 1 })),
  )
  return [
    ...services.map((service) =>
      unit(service, { kind: 'service', service }, wanted, service === 'hub' ? wanted.hubPort : 0),
    ),
    ...agents.map(({ role, replica }) =>
      unit(
        replicaId(role, replica),
        { kind: 'agent', role, replica },
        wanted,
        roleSpec(wanted.spec, role).firstPort + replica - 1,
      ),
    ),
  ]
}

function unit(id: string, kind: UnitSpec['unit'], wanted: Wanted, port: number): UnitSpec {
  const described = [
    wanted.specHash,
    wanted.chain,
    wanted.chainId,
    wanted.seed,
    id === 'hub' ? wanted.hubPort : 0,
  ].join(' ')
  return {
    id,
    unit: kind,
    specHash: createHash('sha256').update(described).digest('hex').slice(0, 12),
    image: 'embedded',
    command: [],
    env: { PORT: String(port) },
    mounts: [],
    ports: [],
    networks: [],
    readOnlyRoot: false,
    tmpfs: [],
  }
}
