/** The directory of a {@link FileTransport} as the conformance suites take a store: each transport gets there by a link of its own. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConformanceOptions, Store } from '../../src/conformance'
import type { CollectionId, Transport } from '../../src/transport-kit'
import { FileTransport, fileOf } from './file-transport'

interface FileStore extends Store {
  readonly root: string
  readonly data: string
  readonly links: Map<Transport, string>
  isDown: boolean
}

const isFile = (name: string) => name.endsWith('.json')

const empty = (data: string) => {
  for (const name of readdirSync(data).filter(isFile)) rmSync(join(data, name))
}

const pathsOf = ({ links }: FileStore, transport: Transport | undefined) =>
  transport === undefined ? [...links.values()] : [links.get(transport) as string]

const entriesOf = ({ data }: FileStore, id: CollectionId): { entries: [string, { json?: string }][] } => {
  const name = join(data, fileOf(id))
  return readdirSync(data).includes(fileOf(id)) ? JSON.parse(readFileSync(name, 'utf8')) : { entries: [] }
}

/** A store whose transports are made so. */
export const filesOf = (
  transportTo: (directory: string) => Transport,
): Pick<ConformanceOptions<FileStore>, 'setup' | 'hooks' | 'lacks'> => ({
  lacks: new FileTransport('').lacks,
  setup() {
    const root = mkdtempSync(join(tmpdir(), 'memis-files-'))
    const data = join(root, 'data')
    mkdirSync(data)
    const links = new Map<Transport, string>()
    const store: FileStore = {
      ...{ root, data, links, isDown: false },
      transport() {
        const link = join(root, `link-${links.size}`)
        if (!store.isDown) symlinkSync(data, link)
        const transport = transportTo(link)
        links.set(transport, link)
        return transport
      },
      teardown: () => rmSync(root, { recursive: true, force: true }),
    }
    return store
  },
  hooks: {
    cut(store, transport) {
      store.isDown ||= transport === undefined
      for (const path of pathsOf(store, transport)) rmSync(path, { force: true })
    },
    heal(store, transport) {
      store.isDown &&= transport !== undefined
      for (const path of pathsOf(store, transport)) {
        rmSync(path, { force: true })
        symlinkSync(store.data, path)
      }
    },
    lose: ({ data }) => empty(data),
    backUp({ root, data }) {
      const copy = join(root, 'copy')
      cpSync(data, copy, { recursive: true })
      return () => {
        empty(data)
        for (const name of readdirSync(copy).filter(isFile)) cpSync(join(copy, name), join(data, name))
        rmSync(copy, { recursive: true })
      }
    },
    damage(store, id, key) {
      const state = entriesOf(store, id)
      for (const [name, stored] of state.entries) if (name === key) stored.json = '{"cut off'
      writeFileSync(join(store.data, fileOf(id)), JSON.stringify(state))
    },
    countRecords: (store, id) => entriesOf(store, id).entries.length,
  },
})

export const files = filesOf((directory) => new FileTransport(directory))
