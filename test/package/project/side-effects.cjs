// Importing memis changes nothing in the process, starts nothing, and loads no package of a store.
const assert = require('node:assert/strict')
const channels = require('node:diagnostics_channel')

const published = ['net.client.socket', 'net.server.socket', 'process', 'worker_threads', 'http.client.request.start']
const state = () => ({
  globals: Reflect.ownKeys(globalThis).length,
  listeners: process.eventNames().map((name) => [name, process.listenerCount(name)]),
  resources: process.getActiveResourcesInfo(),
  stackTraces: [Error.prepareStackTrace, Error.stackTraceLimit],
  subscribers: published.filter((name) => channels.hasSubscribers(name)),
  prototypes: [Object, Array, Function, Error, Promise, Map].map(({ prototype }) => Reflect.ownKeys(prototype).length),
})
const subscribed = []
channels.subscribe = (name) => subscribed.push(name)
channels.channel('any').constructor.prototype.subscribe = () => subscribed.push('a channel')

const before = state()
require('memis')
require('memis/conformance')
require('memis/transport')
assert.deepEqual(state(), before)
assert.deepEqual(subscribed, [])
const foreign = Object.keys(require.cache).filter((file) => !/[\\/]node_modules[\\/]memis[\\/]|side-effects/.test(file))
assert.deepEqual(foreign, [])
