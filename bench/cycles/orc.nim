## Nim's objects under ORC. The rows and the contract with the driver are in graph.h; operations are timed by stalls.h.
## An object of two references and two words is 48 bytes with its header. Heaps are a thread's own: there is no `other`.

import os, random, strutils, times

const
  mostUncollected = 5_000_000
  batch = 512
  collections = 3

type
  Node = ref object
    first, second: Node
    payload: array[2, uint64]
  Stalls {.importc: "struct stalls", header: "stalls.h".} = object
    operations, wall: int64

proc stalls_begin(stalls: ptr Stalls) {.importc, header: "stalls.h".}
proc stalls_end(stalls: ptr Stalls) {.importc, header: "stalls.h".}
proc stalls_add(stalls: ptr Stalls, start: int64): int64 {.importc, header: "stalls.h".}
proc stalls_print(stalls: ptr Stalls, moment: cstring) {.importc, header: "stalls.h".}
proc stalls_clock(clock: cint): int64 {.importc, header: "stalls.h".}
var clockMonotonic {.importc: "CLOCK_MONOTONIC", header: "<time.h>".}: cint
var stalls: Stalls
var kept: Node

proc collectorRun(run: bool) =
  if run: GC_enableOrc() else: GC_disableOrc()

proc resident(field: string): int =
  for line in lines(if field == "Rss:": "/proc/self/smaps_rollup" else: "/proc/self/status"):
    if line.startsWith(field):
      return line.splitWhitespace()[1].parseInt * 1024

proc fresh(count: int): seq[Node] =
  result = newSeq[Node](count)
  for node in result.mitems: node = Node()

proc used(count: int): seq[Node] =
  result = fresh(count)
  for i in 0 ..< 2 * count: result[rand(count - 1)] = Node()
  shuffle(result)

proc newPair(second: Node): Node =
  result = Node(second: second)
  result.first = Node(first: result)

var
  anchors, members: seq[Node]
  hub: Node

proc anyAnchor(): Node =
  if hub != nil: hub else: anchors[rand(anchors.high)]

proc buildGraph(count: int, withHub: bool) =
  var nodes = used(count)
  if withHub: hub = Node()
  anchors = nodes[0 ..< count div 2]
  for i in 0 ..< count div 4:
    let one = nodes[count div 2 + 2 * i]
    let two = nodes[count div 2 + 2 * i + 1]
    one.first = two
    two.first = one
    one.second = anyAnchor()
    members.add one
  for anchor in anchors:
    anchor.first = members[rand(members.high)]
    anchor.second = hub

proc operate() =
  let lot = rand(3)
  let at = rand(anchors.high)
  if lot < 2:
    anchors[at].first = members[rand(members.high)]
  else:
    let pair = newPair(if hub != nil: hub else: anchors[at])
    if lot == 2: members[rand(members.high)] = pair

proc operateTimed(moment: string, seconds: float, most = high(int64)) =
  stalls_begin(addr stalls)
  var now = stalls_clock(clockMonotonic)
  let stop = now + int64(seconds * 1e9)
  while now < stop and stalls.operations < most:
    operate()
    now = stalls_add(addr stalls, now)
  stalls_end(addr stalls)
  stalls_print(addr stalls, moment)

proc operateFast(seconds: float) =
  stalls_begin(addr stalls)
  let stop = stalls_clock(clockMonotonic) + int64(seconds * 1e9)
  while stalls_clock(clockMonotonic) < stop:
    for _ in 1 .. batch: operate()
    stalls.operations += batch
  stalls_end(addr stalls)
  echo "speed ", stalls.operations.float * 1e3 / stalls.wall.float

proc churn(count: int, seconds: float, withHub: bool) =
  buildGraph(count, withHub)
  collectorRun(true)
  operateTimed("on", seconds)
  operateFast(seconds)
  collectorRun(false)
  operateTimed("off", seconds, mostUncollected)

proc collectNs(count: int): float =
  let before = cpuTime()
  GC_fullCollect()
  (cpuTime() - before) * 1e9 / count.float

proc tiePairs(nodes: seq[Node]) =
  for i in countup(0, nodes.len - 2, 2):
    nodes[i].first = nodes[i + 1]
    nodes[i + 1].first = nodes[i]

proc buildPairs(count: int) =
  tiePairs(fresh(count))

proc buildUsedPairs(count: int) =
  tiePairs(used(count))

proc buildRing(count: int) =
  var nodes = fresh(count)
  for i in 0 ..< count: nodes[i].first = nodes[(i + 1) mod count]

proc randomGraph(nodes: seq[Node]): Node =
  for i in 0 .. nodes.high:
    nodes[i].first = nodes[(i + 1) mod nodes.len]
    nodes[i].second = nodes[rand(nodes.high)]
  nodes[0]

proc keepRandom(count: int) =
  kept = randomGraph(used(count))

proc buildRandom(count: int) =
  discard randomGraph(fresh(count))

proc reclaim(count: int, build: proc (count: int)) =
  var least = 1e9
  for _ in 1 .. collections:
    build(count)
    least = min(least, collectNs(count))
  echo "cpu ", least

proc memory(count: int) =
  let baseline = resident("VmHWM:")
  for _ in 1 .. count:
    let node = Node(first: kept)
    kept = node
  GC_fullCollect()
  echo "bytes ", resident("VmHWM:") - baseline

proc giveBack(count: int) =
  let baseline = resident("Rss:")
  for _ in 1 .. count div 2: kept = newPair(kept)
  let full = resident("Rss:")
  kept = nil
  GC_fullCollect()
  sleep(2000)
  echo "percent ", max(0.0, 100.0 * (resident("Rss:") - baseline).float / (full - baseline).float)

if paramStr(1) == "--list":
  for row in ["churn", "hub", "pairs", "pairs-used", "ring", "random", "shuffled", "memory", "return"]: echo row
else:
  let (count, seconds) = (paramStr(2).parseInt, paramStr(3).parseFloat)
  collectorRun(false)
  case paramStr(1)
  of "churn": churn(count, seconds, false)
  of "hub": churn(count, seconds, true)
  of "pairs": reclaim(count, buildPairs)
  of "pairs-used": reclaim(count, buildUsedPairs)
  of "ring": reclaim(count, buildRing)
  of "random": reclaim(count, buildRandom)
  of "shuffled":
    keepRandom(count)
    echo "cpu ", collectNs(count) # the first only: the next would look at nothing
  of "memory": memory(count)
  of "return": giveBack(count)
  else: quit(2)
stdout.flushFile()
proc c_exit(status: cint) {.importc: "_exit", header: "<unistd.h>".}
c_exit(0) # without taking the graph down
