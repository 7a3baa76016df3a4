/** Runs the process of a fleet on Docker that `args` name; undefined when they name none. */
export async function runContainerProcess(args: readonly string[], version: string): Promise<number | undefined> {
  const [name, ...rest] = args
  switch (name) {
    case 'controller':
    case 'hub':
    case 'bot':
    case 'sandbox':
    case 'agent': {
      const { runService } = await import('./service.ts')
      return runService(name, rest, version)
    }
    default:
      return undefined
  }
}
