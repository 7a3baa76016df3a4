import type { WrittenRole } from './role-faults.ts'
import { entriesOf, type Fault } from './yaml.ts'

/** What the launcher sets for every process of ours. */
const OURS = /^(ARBDECK_.*|AGENT_PORT|HUB_PORT|SANDBOX_.*|(MEMORY|BUS|HISTORY|WATCH|ENGINE)_URL|NODE_OPTIONS|OTEL_.*)$/
/** An image gets none of it, but what is ours by its name would mislead. */
const OURS_BY_NAME = /^ARBDECK_/
/** As docker takes it: `registry:5000/team/name:tag@sha256:…`. */
const IMAGE_REF =
  /^([a-z0-9.-]+(:\d+)?\/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/
/** What RoleSpec takes as a name and is none: long hex, the beginnings that vendors give their keys, and runs without a break that mix cases and digits. */
const VALUES = [
  /^(0x)?[0-9a-f]{32,}$/i,
  /^(sk|pk|rk|ghp|gho|ghs|glpat|xox[abps]|AKIA|ASIA|AIza|eyJ)[-_A-Za-z0-9]*\d/,
  /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9]{20,}$/,
]

/** Longer ones RoleSpec refuses. */
const NAME_CHARS = 64

/** What goes into the container: image, environment, secrets. */
export function imageFaults({ spec: { image, environment, secrets }, fault }: WrittenRole): Fault[] {
  const faults: Fault[] = []
  const { ref } = Object.fromEntries(entriesOf(image))
  if (typeof ref === 'string' && !IMAGE_REF.test(ref))
    faults.push(fault(['image', 'ref'], 'is no image; write NAME[:TAG], in lower case, as docker run takes it'))
  const reserved = image === undefined ? OURS : OURS_BY_NAME
  for (const [name] of entriesOf(environment))
    if (reserved.test(name)) faults.push(fault(['environment', name], 'is set by arbdeck itself; remove it'))
  for (const [key, secret] of entriesOf(secrets))
    if (typeof secret === 'string' && secret.length <= NAME_CHARS && VALUES.some((value) => value.test(secret)))
      faults.push(
        fault(
          ['secrets', Number(key)],
          'looks like the secret itself; put it into a file of --secrets-dir and give the name of the file',
        ),
      )
  return faults
}
