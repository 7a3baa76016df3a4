import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { Agent } from 'node:http'
import { Duplex } from 'node:stream'
import type { DockerAddress } from './address.ts'

type SshAddress = Extract<DockerAddress, { kind: 'ssh' }>

/**
 * An agent whose connections are `docker system dial-stdio`, run over ssh on the daemon's machine, as the docker command
 * does it: with the operator's own ssh configuration, keys and known hosts. It never asks for a password.
 */
export function sshAgent(address: SshAddress): Agent {
  const agent = new Agent({ keepAlive: true })
  agent.createConnection = () => new SshConnection(address)
  return agent
}

/** A process's stdin and stdout as a connection. What ssh complains of comes out as the connection's error. */
class SshConnection extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams
  #complaint = ''

  constructor({ target, port, socketPath }: SshAddress) {
    super()
    const options = ['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=15', ...(port === null ? [] : ['-p', String(port)])]
    // One word for the shell on the other side.
    const there = socketPath === null ? [] : ['--host', `'unix://${socketPath.replaceAll("'", `'\\''`)}'`]
    this.#child = spawn('ssh', [...options, '-T', target, 'docker', ...there, 'system', 'dial-stdio'])
    const { stdin, stdout, stderr } = this.#child
    stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause()
    })
    stderr.on('data', (chunk: Buffer) => {
      this.#complaint = `${this.#complaint}${chunk}`.slice(-500)
    })
    stdin.on('error', () => undefined) // the process's end says why
    this.#child.on('error', (error) => this.destroy(new Error(`the ssh command cannot be run: ${error.message}`)))
    this.#child.on('close', (code) => {
      if (code === 0 || this.destroyed) this.push(null)
      else this.destroy(new Error(`ssh ended with ${code}: ${this.#complaint.trim() || 'it said nothing'}`))
    })
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // After ssh has ended nothing is an error here: its end is about to say why.
    this.#child.stdin.write(chunk, () => done())
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill()
    done(error)
  }

  // What Node's HTTP agent asks of a socket that it keeps; a connection that waits keeps no process alive.
  setKeepAlive(): this {
    return this
  }

  setTimeout(): this {
    return this
  }

  ref(): this {
    this.#keep('ref')
    return this
  }

  unref(): this {
    this.#keep('unref')
    return this
  }

  #keep(how: 'ref' | 'unref'): void {
    this.#child[how]()
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr] as {
      ref?(): void
      unref?(): void
    }[])
      pipe[how]?.()
  }
}
