/**
 * Finds the program of a server: on the PATH, else in the project's cache, else apt downloads it into that cache. That needs no
 * root and installs nothing, so that a fresh clone on Debian can run its tests at once.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'

export type ServerName = 'redis-server' | 'valkey-server' | 'nats-server-2.9' | 'nats-server-2.15'

export interface ServerBinary {
  file: string
  /** Sets LD_LIBRARY_PATH if the libraries were downloaded with the program. */
  env: NodeJS.ProcessEnv
}

interface Source {
  program: string
  wants: string
  fits(major: number, minor: number): boolean
  /** The Debian suites that have it. `own` is the release of this machine. */
  suites(own: string): string[]
  /** Whether apt also downloads dependencies. Not from another release: that would include its libc. */
  dependencies: boolean
  install: string
}

const sources: Record<ServerName, Source> = {
  'redis-server': {
    program: 'redis-server',
    wants: '7.0 or newer',
    fits: (major) => major >= 7,
    suites: (own) => [own],
    dependencies: true,
    install: 'apt-get install redis-server (or: brew install redis)',
  },
  'valkey-server': {
    program: 'valkey-server',
    wants: '8.0 or newer',
    fits: (major) => major >= 8,
    suites: (own) => [own, `${own}-backports`],
    dependencies: true,
    install: 'apt-get install valkey-server (or: brew install valkey)',
  },
  'nats-server-2.9': {
    program: 'nats-server',
    wants: '2.9',
    fits: (major, minor) => major === 2 && minor === 9,
    suites: () => ['bookworm'],
    dependencies: false,
    install: 'go install github.com/nats-io/nats-server/v2@v2.9.25',
  },
  'nats-server-2.15': {
    program: 'nats-server',
    wants: '2.15 or a newer 2.x',
    fits: (major, minor) => major === 2 && minor >= 15,
    suites: () => ['forky'],
    dependencies: false,
    install: 'go install github.com/nats-io/nats-server/v2@v2.15.1',
  },
}

const run = promisify(execFile)
const cache = resolve(__dirname, '../../.cache/servers')
const found = new Map<ServerName, Promise<ServerBinary>>()

export function serverBinary(name: ServerName): Promise<ServerBinary> {
  const binary = found.get(name) ?? find(name)
  found.set(name, binary)
  return binary
}

async function find(name: ServerName): Promise<ServerBinary> {
  const source = sources[name]
  // Debian installs nats-server in a directory that only root has in PATH.
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin']
  for (const dir of path) {
    const binary = await usable(source, join(dir, source.program), {})
    if (binary) return binary
  }
  const home = join(cache, `${name}-${process.arch}`)
  return (await unpacked(source, home)) ?? (await fetch(name, home))
}

/** The program, if it exists, runs and has the right version. */
async function usable(source: Source, file: string, env: NodeJS.ProcessEnv): Promise<ServerBinary | undefined> {
  if (!existsSync(file)) return
  try {
    const { stdout } = await run(file, ['--version'], { env: { ...process.env, ...env } })
    const version = /v=?(\d+)\.(\d+)/.exec(stdout)
    if (version && source.fits(Number(version[1]), Number(version[2]))) return { file, env }
  } catch {
    // It is for another machine, or a library is missing.
  }
}

async function unpacked(source: Source, home: string): Promise<ServerBinary | undefined> {
  const libraries: string[] = []
  for (const lib of [join(home, 'usr/lib'), join(home, 'lib')]) {
    if (!existsSync(lib)) continue
    for (const entry of await readdir(lib)) if (entry.includes('-linux-')) libraries.push(join(lib, entry))
  }
  const env = libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(delimiter) } : {}
  for (const bin of ['usr/bin', 'usr/sbin']) {
    const binary = await usable(source, join(home, bin, source.program), env)
    if (binary) return binary
  }
}

async function fetch(name: ServerName, home: string): Promise<ServerBinary> {
  const source = sources[name]
  await mkdir(cache, { recursive: true })
  // Each process works in a directory of its own and renames it at the end: that needs no lock, and nobody finds half a program.
  const work = await mkdtemp(join(cache, `.${name}-`))
  try {
    const root = join(work, 'root')
    await unpack(source, work, root)
    if (!(await unpacked(source, root))) throw new Error(`what apt found there is not ${source.wants}, or does not run`)
    await rename(root, home).catch(async () => {
      // Another process was faster, or the program there does not run on this machine.
      if (await unpacked(source, home)) return
      await rm(home, { recursive: true, force: true })
      await rename(root, home)
    })
    return (await unpacked(source, home)) as ServerBinary
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.trim() : cause
    throw new Error(
      `${source.program} (${source.wants}) is not on the PATH, and apt could not fetch it for the tests. ` +
        `The missing command: ${source.install}\n${why}`,
      { cause },
    )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Has apt download from the machine's own mirrors, with its state in `work`, and unpacks into `root`. */
async function unpack(source: Source, work: string, root: string): Promise<void> {
  if (!existsSync('/etc/apt')) throw new Error('this machine has no apt')
  const lists = join(work, 'sources')
  const debs = join(work, 'cache/archives')
  for (const dir of [join(work, 'state/lists/partial'), join(debs, 'partial'), join(work, 'none'), lists, root]) {
    await mkdir(dir, { recursive: true })
  }
  await copySources(source, lists)
  const conf = join(work, 'apt.conf')
  // No hooks, no lock, no change of user; and a mirror that is frozen in time is fine.
  await writeFile(
    conf,
    `#clear APT::Update;
#clear DPkg;
APT::Sandbox::User "";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Debug::NoLocking "true";
Dir::Cache "${work}/cache";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "${work}/none";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${lists}";
Dir::State "${work}/state";
Dir::State::status "/var/lib/dpkg/status";
`,
  )
  const apt = (...args: string[]) => run('apt-get', ['-c', conf, '-qq', ...args], { cwd: debs })
  // A source that does not answer does not matter if another one has the package.
  const update = await apt('update').catch((error: { stderr: string }) => error)
  try {
    if (source.dependencies) {
      await apt('install', '--yes', '--no-install-recommends', '--download-only', source.program)
    } else {
      await apt('download', source.program)
    }
  } catch (error) {
    throw new Error(update.stderr + (error as { stderr: string }).stderr, { cause: error })
  }
  for (const file of await readdir(debs)) {
    if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', join(debs, file), root])
  }
}

/** The machine's own package sources, in either format, with another suite: no mirror is named here. */
async function copySources(source: Source, to: string): Promise<void> {
  const own = /^VERSION_CODENAME=(.+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  const suites = source.suites(own)
  const parts = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list']
  if (existsSync(parts)) for (const file of await readdir(parts)) files.push(join(parts, file))
  const isOwn = (suite: string) => [own, 'oldstable', 'stable', 'testing', 'unstable', 'sid'].includes(suite)
  let lines = ''
  let stanzas = ''
  for (const file of files) {
    if (!existsSync(file)) continue
    const text = await readFile(file, 'utf8')
    if (file.endsWith('.list')) {
      for (const [, start, suite = '', rest] of text.matchAll(/^(deb\s+(?:\[.*?\]\s+)?\S+\s+)(\S+)(.*)$/gm)) {
        if (isOwn(suite)) for (const other of suites) lines += `${start}${other}${rest}\n`
      }
    } else if (file.endsWith('.sources')) {
      for (const stanza of text.replace(/^#.*\n/gm, '').split(/\n\s*\n/)) {
        const named = /^Suites:(.*)$/m.exec(stanza)?.[1]?.trim().split(/\s+/) ?? []
        if (!/^Types:.*\bdeb\b/m.test(stanza) || !named.some(isOwn)) continue
        stanzas += `${stanza.replace(/^Suites:.*$/m, `Suites: ${suites.join(' ')}`).trim()}\n\n`
      }
    }
  }
  if (!lines && !stanzas) throw new Error('no Debian mirror is named in /etc/apt')
  await writeFile(join(to, 'memis.list'), lines)
  await writeFile(join(to, 'memis.sources'), stanzas)
}
