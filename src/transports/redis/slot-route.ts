/** The way to the node of a cluster that a collection lies on, wherever its slot is. */
import { disconnected, type MemisError, notSent } from '../../core/errors'
import type { Cluster, Heard } from './cluster'
import { wordOf } from './errors'
import type { Link } from './link'
import type { Route, Server } from './route'
import type { Script } from './scripts'
import { readMoved, slotOf } from './slots'

/** So long (ms) a call waits for the node, before the core tries again. */
const patience = 1000
/** So often a call follows a slot that moves. */
const mostMoves = 3

export class SlotRoute implements Route {
  readonly #cluster: Cluster
  readonly #slot: number
  #heard: (Heard & { readonly listener: (message: string) => void }) | null = null

  constructor(cluster: Cluster, channel: string) {
    this.#cluster = cluster
    this.#slot = slotOf(channel)
  }

  get server(): Server | null {
    return this.#link?.server ?? null
  }

  get generation(): number {
    return this.#link?.generation ?? -1
  }

  get mayEvict(): boolean {
    return this.#link?.mayEvict ?? false
  }

  /**
   * While a slot migrates, a script whose declared keys are all there would run until it touches a key that has left, and stop halfway. A
   * key that never exists is declared with the others: then the node refuses the script as a whole.
   */
  run(script: Script, keys: readonly string[], args: readonly string[], generation?: number): Promise<unknown> {
    return this.#follow((link) => link.run(script, [...keys, `${keys[0]}/none`], args, generation))
  }

  async subscribe(
    channel: string,
    listener: (message: string) => void,
    ended: (error: MemisError) => void,
  ): Promise<void> {
    await this.#follow(async (link) => {
      this.#forget()
      const heard = { slot: this.#slot, link, listener, ended }
      this.#heard = heard
      this.#cluster.heard.add(heard)
      await link.subscribe(channel, listener, ended)
    })
  }

  unsubscribe(channel: string, listener: (message: string) => void): void {
    this.#heard?.link.unsubscribe(channel, listener)
    this.#forget()
  }

  overslept(): boolean {
    return this.#link?.overslept() ?? false
  }

  proved(): void {
    this.#link?.proved()
  }

  get #link(): Link | undefined {
    return this.#heard?.link ?? this.#cluster.linkOf(this.#slot)
  }

  #forget(): void {
    if (this.#heard !== null) this.#cluster.heard.delete(this.#heard)
    this.#heard = null
  }

  /** Runs on the owner of the slot, and follows the slot if it has moved: a command that a node redirects was not run. */
  async #follow<R>(run: (link: Link) => Promise<R>): Promise<R> {
    for (let moves = 0; ; moves++) {
      const link = await this.#cluster.reach(this.#slot, patience)
      try {
        const result = await run(link)
        if (this.#cluster.linkOf(this.#slot) === link) return result
      } catch (error) {
        const { message } = error as MemisError
        const address = readMoved(message, this.#cluster.addressOf(link))
        if (address !== undefined) {
          this.#cluster.moved(this.#slot, address)
          if (moves < mostMoves) continue
        }
        if (address === undefined && !notNow.test(wordOf((error as MemisError).cause))) throw error
        // A slot that is on its way is left alone until all of it has arrived.
        this.#cluster.refresh(link)
        throw notSent(message, (error as MemisError).cause)
      }
      // A former master that stood still may accept what its successor never hears of.
      throw disconnected('the slot of the collection has moved')
    }
  }
}

/** The first word of an error: the node did nothing, and the slot will be somewhere soon. */
const notNow = /^(ASK|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|LOADING)$/
